"""A monitor sees what autograd gives, and training ends with the same bits as without it."""

import copy
import sys

import numpy as np
import pytest
import xarray as xr
from optional import optional

import glorotlab as gl
from glorotlab.errors import GlorotlabError, InvalidValueError
from glorotlab.torch.step_record import sums

pytestmark = pytest.mark.torch


def network(torch, seed=0):
    nn = torch.nn
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(6, 16),
        nn.BatchNorm1d(16),
        nn.ReLU(inplace=True),
        nn.Dropout(0.2),
        nn.Linear(16, 8),
        nn.Tanh(),
        nn.Linear(8, 3),
    )


def plain(torch):
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)).double()


def batches(torch, count, examples=8, dtype=None):
    generator = torch.Generator().manual_seed(3)
    return [
        (torch.randn(examples, 6, generator=generator, dtype=dtype), torch.randint(3, (examples,), generator=generator))
        for _ in range(count)
    ]


def train(torch, model, optimizer, data):
    for x, y in data:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def hooks_of(torch, model):
    """Every hook there is on the model's modules and on optimizers."""
    from torch.optim import optimizer as module

    own = [len(one._forward_hooks) + len(one._forward_pre_hooks) + len(one._backward_hooks) for one in model.modules()]
    return sum(own) + len(module._global_optimizer_pre_hooks) + len(module._global_optimizer_post_hooks)


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_training_ends_with_the_same_bits(torch, name):
    ends = []
    for monitored in (False, True):
        model = network(torch)
        optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.01)
        torch.manual_seed(5)  # of dropout
        if monitored:
            with gl.torch.monitor(model, every=2) as log:
                train(torch, model, optimizer, batches(torch, 7))
            assert log.statistics["step"].values.tolist() == [0, 2, 4, 6]
            assert log.updates == 7
        else:
            train(torch, model, optimizer, batches(torch, 7))
        ends.append([*model.state_dict().values(), torch.rand(3)])
    assert all(map(torch.equal, *ends))


def test_a_notebook_shows_the_last_record(torch):
    model = plain(torch)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with gl.torch.monitor(model, every=2) as log:
        assert "0 records" in log._repr_html_()
        train(torch, model, optimizer, batches(torch, 3, dtype=torch.float64))
    form = log._repr_html_()
    assert "before update 2" in form
    last = log.statistics["update_weight_ratio"].sel(step=2).values[0]
    assert f">{last:.5g}<" in form


def test_it_leaves_no_hook(torch):
    model = network(torch)
    before = hooks_of(torch, model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with gl.torch.monitor(model, every=3) as log:
        assert hooks_of(torch, model) > before + 2
        train(torch, model, optimizer, batches(torch, 2))
        assert hooks_of(torch, model) == before + 2  # the step that is not recorded has those of optimizers alone
        train(torch, model, optimizer, batches(torch, 1))
        assert hooks_of(torch, model) > before + 2
    assert hooks_of(torch, model) == before
    with pytest.raises(RuntimeError, match="mat1 and mat2"), log:
        model(torch.zeros(2, 5))
    assert hooks_of(torch, model) == before
    with pytest.raises(InvalidValueError, match="recording already"), log, log:
        pass
    assert hooks_of(torch, model) == before


def test_its_numbers_are_those_of_autograd(torch):
    model, ((x, y),) = plain(torch), batches(torch, 1, dtype=torch.float64)
    reference, results = copy.deepcopy(model), []
    value = x
    for module in reference:
        value = module(value)
        value.retain_grad()
        results.append(value)
    torch.nn.functional.cross_entropy(value, y).backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    with gl.torch.monitor(model) as log:
        train(torch, model, optimizer, [(x, y)])
    row = log.statistics.isel(step=0)
    assert row["module"].values.tolist() == ["0", "1", "2"]
    assert row["kind"].values.tolist() == ["dense", "activation", "dense"]
    for place, result in enumerate(results):
        name = "activation" if place == 1 else "preactivation"
        z, d = result.detach().numpy(), result.grad.numpy() * len(x)
        at = {key: float(row[key][place]) for key in row if row[key].dims == ("layer",)}
        assert at[f"{name}_second_moment"] == pytest.approx((z**2).mean(), rel=1e-12)
        assert float(row[f"{name}_variance"][place, 0]) == pytest.approx(z.var(), rel=1e-12)
        assert at["backprop_gradient_second_moment"] == pytest.approx((d**2).mean(), rel=1e-12)
        assert at["backprop_gradient_mean"] == pytest.approx(d.mean(), rel=1e-9, abs=1e-15)
        assert (at["backprop_gradient_zero"], at["backprop_gradient_subnormal"]) == (0, 0)
    tanh = results[1].detach().numpy()
    quantiles = np.quantile(tanh, [0.02, 0.25, 0.5, 0.75, 0.98])
    np.testing.assert_allclose(row["activation_quantile"][1], quantiles, rtol=1e-6)
    assert float(row["activation_saturation"][1]) == np.mean(np.abs(tanh) > 0.99)
    for place in (0, 2):
        weight, gradient = reference[place].weight.detach().numpy(), reference[place].weight.grad.numpy()
        assert float(row["weight_variance"][place]) == pytest.approx(weight.var(), rel=1e-12)
        second = float(row["batch_weight_gradient_second_moment"][place])
        assert second == pytest.approx((gradient**2).mean(), rel=1e-12)
        assert float(row["learning_speed"][place]) == pytest.approx(
            np.linalg.norm(reference[place].bias.grad), rel=1e-12
        )
        ratio = 0.3 * np.sqrt((gradient**2).mean() / (weight**2).mean())  # one step of gradient descent
        assert float(row["update_weight_ratio"][place]) == pytest.approx(ratio, rel=1e-9)


def test_it_agrees_with_measure(torch):
    model, ((x, y),) = plain(torch), batches(torch, 1, dtype=torch.float64)
    measured = gl.torch.measure(model, x, y)
    with gl.torch.monitor(model) as log:
        train(torch, model, torch.optim.SGD(model.parameters(), lr=0.1), [(x, y)])
    seen = log.statistics
    for name in ("preactivation", "activation", "backprop_gradient", "batch_weight_gradient", "batch_bias_gradient"):
        for statistic in ("mean", "second_moment"):
            key = f"{name}_{statistic}"
            np.testing.assert_allclose(seen[key][0], measured[key][0], rtol=1e-9, atol=1e-14)


def test_accumulated_batches_are_one_update(torch):
    whole, parts = plain(torch), plain(torch)
    ((x, y),) = batches(torch, 1, dtype=torch.float64)
    with gl.torch.monitor(whole) as expected:
        train(torch, whole, torch.optim.SGD(whole.parameters(), lr=0.1), [(x, y)])
    optimizer = torch.optim.SGD(parts.parameters(), lr=0.1)
    with gl.torch.monitor(parts) as log:
        optimizer.zero_grad()
        for part in (slice(0, 4), slice(4, 8)):
            (torch.nn.functional.cross_entropy(parts(x[part]), y[part]) / 2).backward()
        optimizer.step()
    for name, values in expected.statistics.items():
        if name != "activation_quantile":  # of the first batch
            np.testing.assert_allclose(log.statistics[name], values, rtol=1e-9, atol=1e-14)


def scaled_step(torch, model, optimizer, scaler, x, y):
    optimizer.zero_grad()
    scaler.scale(torch.nn.functional.cross_entropy(model(x), y)).backward()
    scaler.step(optimizer)
    scaler.update()


def test_the_scale_of_amp_is_taken_out(torch):
    plain_model, model = plain(torch), plain(torch)
    data = batches(torch, 2, dtype=torch.float64)
    with gl.torch.monitor(plain_model, every=1) as expected:
        train(torch, plain_model, torch.optim.SGD(plain_model.parameters(), lr=0.1), data)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    with gl.torch.monitor(model, every=1, scaler=scaler) as log:
        for x, y in data:
            scaled_step(torch, model, optimizer, scaler, x, y)
    for name, values in expected.statistics.items():
        np.testing.assert_allclose(log.statistics[name], values, rtol=1e-9, atol=1e-14)


def test_an_update_that_amp_skips_is_not_recorded(torch):
    model, ((x, y), (other, labels)) = plain(torch), batches(torch, 2, dtype=torch.float64)
    measured = gl.torch.measure(model, other, labels)
    optimizer, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu", init_scale=2.0)
    with gl.torch.monitor(model, scaler=scaler) as log:
        scaled_step(torch, model, optimizer, scaler, x * np.inf, y)
        assert log.updates == 0
        scaled_step(torch, model, optimizer, scaler, other, labels)
    key = "backprop_gradient_second_moment"
    np.testing.assert_allclose(log.statistics[key][0], measured[key][0], rtol=1e-9)


def test_what_runs_without_gradients_does_not_count(torch):
    model, data = plain(torch), batches(torch, 1, dtype=torch.float64)
    with gl.torch.monitor(model) as log:
        with torch.no_grad():
            model(torch.full((5, 6), 1e6, dtype=torch.float64))
        train(torch, model, torch.optim.SGD(model.parameters(), lr=0.1), data)
    assert float(log.statistics["preactivation_second_moment"][0, 0]) < 10


def test_optimizers_of_others_do_not_count_and_the_first_of_the_model_does(torch):
    model, other, data = plain(torch), plain(torch), batches(torch, 2, dtype=torch.float64)
    foreign = torch.optim.SGD(other.parameters(), lr=0.1)
    first, second = (torch.optim.SGD(model[place].parameters(), lr=0.1) for place in (0, 2))
    with gl.torch.monitor(model, every=1) as log:
        for x, y in data:
            train(torch, other, foreign, [(x, y)])
            model.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            second.step()
            first.step()
    assert log.updates == 2
    ratios = log.statistics["update_weight_ratio"].values
    assert (ratios[:, [0, 2]] > 0).all()  # the other optimizer's as well


def test_a_step_with_a_closure(torch):
    model, ((x, y),) = plain(torch), batches(torch, 1, dtype=torch.float64)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)

    def closure():
        optimizer.zero_grad()
        cost = torch.nn.functional.cross_entropy(model(x), y)
        cost.backward()
        return cost

    with gl.torch.monitor(model) as log:
        optimizer.step(closure)
    measured = gl.torch.measure(plain(torch), x, y)
    key = "batch_weight_gradient_second_moment"
    np.testing.assert_allclose(log.statistics[key][0], measured[key][0], rtol=1e-9)
    assert (log.statistics["update_weight_ratio"].values[0, [0, 2]] > 0).all()


def test_parameters_without_a_module_of_their_own_have_rows(torch):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(6))
            self.attention = torch.nn.MultiheadAttention(6, 2, batch_first=True)

        def forward(self, x):
            h = (x * self.scale)[:, None]
            return self.attention(h, h, h)[0][:, 0, :3]

    model = Scaled()
    with gl.torch.monitor(model) as log:
        train(torch, model, torch.optim.Adam(model.parameters()), batches(torch, 1))
    kinds = dict(zip(log.statistics["module"].values.tolist(), log.statistics["kind"].values.tolist(), strict=True))
    assert kinds["attention"] == "unknown"
    assert kinds["scale"] == kinds["attention.in_proj_weight"] == kinds["attention.out_proj.weight"] == "parameter"
    at = log.statistics["module"].values.tolist().index("scale")
    assert float(log.statistics["update_weight_ratio"][0, at]) == pytest.approx(1e-3, rel=1e-3)  # Adam's first step


def test_frozen_parameters_and_sparse_gradients(torch):
    model = torch.nn.Sequential(torch.nn.Embedding(50, 4, sparse=True), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    model[2].weight.requires_grad_(False)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with gl.torch.monitor(model) as log:
        train(torch, model, optimizer, [(torch.tensor([[1, 2], [2, 3]]), torch.tensor([0, 1]))])
    row = log.statistics.isel(step=0)
    gradient = model[0].weight.grad.to_dense()
    second = float(row["batch_weight_gradient_second_moment"][0])
    assert second == pytest.approx(float(gradient.square().mean()), rel=1e-6)
    assert float(row["batch_weight_gradient_zero"][0]) == pytest.approx(float((gradient == 0).float().mean()))
    assert np.isnan(row["update_weight_ratio"][2])


def test_it_is_saved_and_read(torch, tmp_path):
    model = plain(torch)
    with gl.torch.monitor(model, every=2) as log:
        train(torch, model, torch.optim.SGD(model.parameters(), lr=0.1), batches(torch, 3, dtype=torch.float64))
    log.save(tmp_path / "log.nc")
    with xr.open_dataset(tmp_path / "log.nc") as saved:
        np.testing.assert_array_equal(saved["update_weight_ratio"], log.statistics["update_weight_ratio"])
        assert saved["module"].values.tolist() == ["0", "1", "2"]


def test_models_whose_modules_are_hidden_are_refused(torch):
    model = plain(torch)
    with pytest.raises(InvalidValueError, match="DataParallel"):
        gl.torch.monitor(torch.nn.DataParallel(model))
    compiled = torch.nn.Module()
    compiled._orig_mod = model
    with pytest.raises(InvalidValueError, match=r"torch\.compile"):
        gl.torch.monitor(compiled)


def test_bad_input_gets_one_line(torch):
    model = plain(torch)
    for arguments, message in (
        ({"every": 0}, "every 0: allowed are whole numbers from 1"),
        ({"prediction": 1}, "prediction without a coordinate module"),
        ({"scaler": 2.0}, "scaler of type float"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            gl.torch.monitor(model, **arguments)
    with pytest.raises(InvalidValueError, match="no update of the model is recorded"):
        _ = gl.torch.monitor(model).statistics


def test_event_files_need_tensorboard(torch, tmp_path, monkeypatch):
    model = plain(torch)
    with gl.torch.monitor(model) as log:
        train(torch, model, torch.optim.SGD(model.parameters(), lr=0.1), batches(torch, 1, dtype=torch.float64))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(GlorotlabError, match="python -m pip install tensorboard"):
        log.to_tensorboard(tmp_path)


@pytest.mark.parametrize("size", [1e-42, 1e-25, 1.0, 1e25, 1e38])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_sums_lose_nothing_at_any_size(torch, size, dtype):
    values = (torch.randn(50, 3, 7, generator=torch.Generator().manual_seed(0)) * size).to(getattr(torch, dtype))
    total, squares = sums(torch, values)
    exact = values.double().numpy()
    assert float(squares) == pytest.approx((exact**2).sum(), rel=1e-6, abs=0)
    assert float(total) == pytest.approx(exact.sum(), rel=1e-4, abs=0)


def test_zeros_and_subnormal_numbers_are_counted(torch):
    model = torch.nn.Sequential(torch.nn.Linear(4, 1, bias=False))
    x = torch.tensor([[0.0, 1e-39, 1.0, 2.0]])
    with gl.torch.monitor(model) as log:
        model(x).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.1).step()
    shares = [float(log.statistics[f"batch_weight_gradient_{what}"][0, 0]) for what in ("zero", "subnormal")]
    assert shares == [0.25, 0.25]


def test_it_is_drawn_with_its_prediction(torch):
    model, ((x, y),) = plain(torch), batches(torch, 1, dtype=torch.float64)
    with gl.torch.monitor(model, prediction=gl.torch.predict(model, x, y)) as log:
        train(torch, model, torch.optim.SGD(model.parameters(), lr=0.1), [(x, y)])
    profile = gl.plot(log).axes[0].child_axes[0]
    predicted, measured = (line.get_xdata() for line in profile.lines)
    assert np.isfinite(predicted).all()
    assert len(predicted) == len(measured) == 3


def test_event_files_of_tensorboard(torch, tmp_path):
    optional("tensorboard", "TENSORBOARD")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = plain(torch)
    with gl.torch.monitor(model, every=2) as log:
        train(torch, model, torch.optim.SGD(model.parameters(), lr=0.1), batches(torch, 3, dtype=torch.float64))
    log.to_tensorboard(tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    points = [(point.step, point.value) for point in events.Scalars("update_weight_ratio/2")]
    expected = log.statistics["update_weight_ratio"].values[:, 2]
    assert points == [(0, pytest.approx(expected[0])), (2, pytest.approx(expected[1]))]
