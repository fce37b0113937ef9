"""What ``glorotlab train`` reads from people, and what it says of a run that Ctrl-C ends before its first update."""

import os

import pytest

from glorotlab.cli.main import main
from glorotlab.training import loop

SPEC = 'data = "shapeset(validation=20, test=20)"\n[network]\nlayers = "1024,4,9"\n[training]\nupdates = 1\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_spec_with_a_byte_order_mark_and_by_a_link(tmp_path, run):
    (tmp_path / "real.toml").write_bytes(b"\xef\xbb\xbf" + SPEC.encode())
    (tmp_path / "a.toml").symlink_to("real.toml")
    assert "finished after 1 updates" in run("train", "a.toml", "--quiet")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_a_spec_that_never_ends_or_never_begins_is_one_line(tmp_path, capsys, command):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "zero.toml").symlink_to("/dev/zero")
    (tmp_path / "long.toml").write_bytes(b"#" * (2**20 + 1))
    for name, said in (("pipe", "a named pipe"), ("zero", "a device"), ("long", "larger than 1,048,576 bytes")):
        assert main([command, f"{name}.toml", "--out", "run"]) == 2
        line = capsys.readouterr().err
        assert line.startswith(f"glorotlab: error: {name}.toml: {said}")
        assert line.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_data_in_a_pipe_or_a_device_are_one_line(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "zero.npz").symlink_to("/dev/zero")
    for name, said in (("pipe", "a named pipe"), ("zero", "a device")):
        assert main(["train", "4,3", "--dataset", f"{name}.npz", "--updates", "1"]) == 2
        assert f"{name}.npz: {said}: allowed is a regular file" in capsys.readouterr().err


def test_ctrl_c_before_the_first_update_says_that_the_same_command_begins_again(tmp_path, monkeypatch, capsys):
    def press(*arguments):
        raise KeyboardInterrupt

    (tmp_path / "a.toml").write_text(SPEC)
    command = ["train", "a.toml", "--out", "run", "--quiet"]
    with monkeypatch.context() as patch:
        patch.setattr(loop, "held_out_error", press)
        assert main(command) == 130
        line = capsys.readouterr().err
        assert "interrupted: before the first update, so that there is nothing to save: the same command begins" in line
        assert not (tmp_path / "run").exists()
        assert main(command[:2]) == 130
        assert "nothing was saved, as there is no --out DIR" in capsys.readouterr().err
    assert main(command) == 0
