"""Errors a user can act on. Each carries one line of cause and, where there is one, the next step."""


class PlatformError(Exception):
    """Base of every expected failure; the command line prints it as one line and exits 1.

    Args:
        message: what went wrong, naming the file, table, day or setting.
        hint: what to do next, as an imperative sentence.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}".strip())

    def __reduce__(self) -> tuple[type["PlatformError"], tuple[str, str]]:
        # exceptions cross process borders (Spark and Ray workers): the default would replay one argument
        return (type(self), (self.message, self.hint))


class ConfigError(PlatformError):
    """A setting, a variable or a command line argument is wrong."""


class InputError(PlatformError):
    """The input that was asked for is missing, unreadable or not of the expected kind."""


class StateError(PlatformError):
    """The lake is not in the state a stage needs: an earlier day is missing, a table is of an older contract."""


class ContractError(PlatformError):
    """Rows break the contract of their table."""


class LockedError(PlatformError):
    """Another run is writing the same table and day."""


class EngineError(PlatformError):
    """Spark, Ray or Java cannot be started or died."""


class MixtureError(PlatformError):
    """A mixture asks for more of a source than its cap on repeats allows."""
