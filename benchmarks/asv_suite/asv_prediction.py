"""Predictions over the history of the repository: seconds that a user waits."""

import glorotlab as gl

NETWORKS = {"paper": "1024,1000x5,9", "deep": "1024,500x20,9"}


class Prediction:
    """Variances of every layer, on 50 Shapeset images and from a second moment alone."""

    params = (list(NETWORKS), ("tanh", "relu", "gelu"))
    param_names = ("network", "activation")

    def setup(self, network: str, activation: str) -> None:
        self.spec = gl.NetworkSpec.parse(NETWORKS[network], activation=activation)
        self.x, self.labels = gl.shapeset(50)

    def time_on_images(self, network: str, activation: str) -> None:
        gl.predict(self.spec, inputs=self.x, labels=self.labels)

    def time_from_second_moment(self, network: str, activation: str) -> None:
        gl.predict(self.spec, input_second_moment=1.0)
