from django.db import models


class Setting(models.Model):
    """A setting changed while the sandbox runs. Without a row, the environment's value applies."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.JSONField()

    def __str__(self) -> str:
        return self.name


class Fault(models.Model):
    """A fault in force: at most one per knob; it ends by itself when its times are used up."""

    knob = models.CharField(max_length=40, unique=True)
    settings = models.JSONField()
    times_left = models.PositiveIntegerField(null=True)

    def __str__(self) -> str:
        return self.knob
