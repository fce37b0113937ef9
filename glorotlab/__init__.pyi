from .data.catalogue import load_dataset as load_dataset
from .data.dataset import Dataset as Dataset
from .data.shapeset import shapeset as shapeset
from .errors import GlorotlabError as GlorotlabError
from .measurement.compare import Comparison as Comparison
from .measurement.compare import compare as compare
from .measurement.measure import measure as measure
from .network.mlp import Network as Network
from .plotting.plot import plot as plot
from .spec.network import NetworkSpec as NetworkSpec
from .spec.run import RunSpec as RunSpec
from .spec.run import TrainingSpec as TrainingSpec
from .theory.derivations import derive as derive
from .theory.jacobian_spectrum import jacobian_spectrum as jacobian_spectrum
from .theory.moments import moments as moments
from .theory.pair_moments import pair_moments as pair_moments
from .theory.predict import predict as predict
from .theory.predict_distributions import predict_distributions as predict_distributions
from .threads import num_threads as num_threads
from .threads import set_num_threads as set_num_threads
from .training.loop import train as train
from .training.run import Run as Run
from .training.run import load_run as load_run

__version__: str
