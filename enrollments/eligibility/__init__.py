from .verdicts import Verdict, assess

__all__ = ["Verdict", "assess"]
