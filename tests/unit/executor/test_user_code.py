import threading

import pytest

from tradewind.errors import ConfigError
from tradewind.user_code import MOST_LEFT_BEHIND, UserCode


async def test_the_answer_comes_back_from_another_thread():
    ran_on = await UserCode(timeout_s=5, remedy="make it quicker").run(
        threading.get_ident, title="hook"
    )
    assert ran_on != threading.get_ident()


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit("no"), StopIteration("no")])
async def test_an_error_is_told_with_its_type(error):
    def fail():
        raise error

    with pytest.raises(ConfigError, match=rf"hook failed \(.*{type(error).__name__}: no\)"):
        await UserCode(timeout_s=5, remedy="make it quicker").run(fail, title="hook")


async def test_a_sentence_of_our_own_passes_as_it_is():
    def fail():
        raise ConfigError("mend it")

    with pytest.raises(ConfigError, match=r"^mend it$"):
        await UserCode(timeout_s=5, remedy="make it quicker").run(fail, title="hook")


async def test_after_a_few_that_hang_no_more_are_started_until_they_end(eventually):
    release = threading.Event()
    code = UserCode(timeout_s=0.05, remedy="make it quicker")
    for _ in range(MOST_LEFT_BEHIND):
        with pytest.raises(ConfigError, match=r"did not end within 0.05 s: make it quicker"):
            await code.run(release.wait, title="hook")
    with pytest.raises(ConfigError, match="4 earlier runs have not ended"):
        await code.run(lambda: 1, title="hook")
    release.set()
    await eventually(lambda: code._left_behind == 0)
    assert await code.run(lambda: 1, title="hook") == 1
