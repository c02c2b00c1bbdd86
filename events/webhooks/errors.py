from core.errors import DomainError, NotFound


class EndpointNotFound(NotFound):
    title = "There is no such webhook endpoint"


class DeliveryNotFound(NotFound):
    title = "There is no such webhook delivery"


class EndpointDisabled(DomainError):
    code = "webhook_endpoint_disabled"
    title = "The webhook endpoint is disabled; enable it first"


class TooManyEndpoints(DomainError):
    code = "too_many_webhook_endpoints"
    title = "The workspace has reached its limit of webhook endpoints"
