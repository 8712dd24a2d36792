import os

import pytest

from tradewind.client.files import FollowedFile
from tradewind.errors import ConfigError


@pytest.fixture
def token(tmp_path):
    path = tmp_path / "token"
    path.write_text("first")
    return path


def followed(path):
    return FollowedFile(path, what="the token")


def test_a_rewritten_file_is_read_again(token):
    file = followed(token)
    assert file.read() == b"first"
    token.write_text("second")
    assert file.read() == b"second"


def test_a_swapped_link_is_read_again(tmp_path):
    """The kubelet rotates a mounted token this way; size and link stay the same."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "token").write_text(name)
    link = tmp_path / "data"
    link.symlink_to(tmp_path / "one")
    file = followed(link / "token")
    assert file.read() == b"one"
    (tmp_path / "new").symlink_to(tmp_path / "two")
    (tmp_path / "new").rename(link)
    assert file.read() == b"two"


def test_an_unchanged_file_gives_the_same_object(token):
    file = followed(token)
    assert file.read() is file.read()


@pytest.mark.parametrize("spoil", [os.unlink, lambda path: path.write_text(" \n")])
def test_the_last_content_serves_while_a_rotation_is_half_done(token, spoil):
    file = followed(token)
    file.read()
    spoil(token)
    assert file.read() == b"first"
    token.write_text("third!")
    assert file.read() == b"third!"


def test_a_forgotten_file_is_read_again_though_stat_says_nothing_changed(token):
    file = followed(token)
    file.read()
    status = token.stat()
    token.write_text("FIRST")
    os.utime(token, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert file.read() == b"first"
    file.forget()
    assert file.read() == b"FIRST"


def test_a_file_that_never_was_there_is_named_with_its_role(tmp_path):
    with pytest.raises(ConfigError, match=r"the token is .*none.*cannot be read \(No such file"):
        followed(tmp_path / "none").read()


def test_a_file_that_was_always_empty_is_an_error(tmp_path):
    (tmp_path / "empty").touch()
    with pytest.raises(ConfigError, match="which is empty: fill it"):
        followed(tmp_path / "empty").read()
