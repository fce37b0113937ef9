/* How weights W step, where z' d / examples is the gradient of the mean cost and V the velocity:

   without a velocity       W <- (1 - decay) W - rate z' d
   with one                 V <- momentum V + S,  S = -decay W - rate z' d, and W <- W + V,
   or Nesterov's            W <- W + momentum V + S: the step from where the momentum is about to lead
                            (Sutskever, Martens, Dahl & Hinton 2013, in the variables of Bengio et al. 2013)

   Where each weight has its own factor r of the learning rate, S is r (-decay W - rate z' d), with or without V. */
#ifndef GLOROTLAB_DESCENT_H
#define GLOROTLAB_DESCENT_H

typedef struct {
    double rate, decay, momentum;
    int nesterov;
} Descent;

#endif
