"""The analytic module: symbolic derivations and numeric mean-field predictions."""
