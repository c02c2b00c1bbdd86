"""The connection to Celery's broker, which outlives the loss of a Redis server."""

from celery.app import amqp
from kombu import Connection


class PatientConnection(Connection):
    """Closes all channels of a lost connection.

    A Redis channel that waits for messages learns of the loss when it is closed: it raises, and stays open. kombu 5.7
    leaves the others open as well, and the worker, which closes the connection again, dies of them.
    """

    def _do_close_self(self) -> None:
        channels = list(getattr(vars(self).get("_transport"), "channels", ()))
        for channel in (*channels, *channels):  # the second time, none of them waits
            self.maybe_close_channel(channel)
        super()._do_close_self()


class AMQP(amqp.AMQP):
    """Celery's messages, over our connection."""

    Connection = PatientConnection
