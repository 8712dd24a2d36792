"""The one exception that users see.

Its text is one sentence that says what is wrong, with values, and what to do about it. Anything
else that escapes is a bug and keeps its traceback.
"""


class ToolError(Exception):
    """Stops a verb; the text is printed without a traceback.

    `exit_code` is 2 for bad input or surroundings, 1 for work that was tried and failed.
    """

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class WorkFailedError(ToolError):
    """The input was good, but a program, a run or a release failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=1)
