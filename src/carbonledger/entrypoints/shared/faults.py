"""Failures that only HTTP knows; every other one is raised by the part that fails and mapped by its kind.

Each states its status, because the kinds of ``kernel.errors`` have no word for it.
"""

from __future__ import annotations

from typing import ClassVar

from carbonledger.kernel import errors


class HttpFault(errors.Fault):
    """The request breaks a rule of HTTP."""

    kind = errors.Kind.MALFORMED
    code = "http"
    status: ClassVar[int] = 400


class RouteUnknown(HttpFault):
    """There is nothing at this address."""

    kind = errors.Kind.NOT_FOUND
    code = "route_unknown"
    status = 404


class MethodNotAllowed(HttpFault):
    """This address does not take this method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: tuple[str, ...]) -> None:
        """``allowed`` are the methods that the address takes."""
        self.allowed = allowed
        super().__init__(f"Use {' or '.join(allowed)}.")


class RequestTimeout(HttpFault):
    """The request did not arrive in time."""

    code = "request_timeout"
    status = 408


class BodyTooLarge(HttpFault):
    """The request's body is larger than this operation takes."""

    kind = errors.Kind.TOO_LARGE
    code = "body_too_large"
    status = 413


class AddressTooLong(HttpFault):
    """The address of the request is too long."""

    kind = errors.Kind.TOO_LARGE
    code = "address_too_long"
    status = 414


class MediaTypeUnsupported(HttpFault):
    """The request's body has a media type that this operation does not read."""

    kind = errors.Kind.UNSUPPORTED
    code = "media_type_unsupported"
    status = 415


class EncodingUnsupported(HttpFault):
    """The request's body has a content encoding that is not read here."""

    kind = errors.Kind.UNSUPPORTED
    code = "encoding_unsupported"
    status = 415


class HeadersTooLarge(HttpFault):
    """The request has too many or too long headers."""

    kind = errors.Kind.TOO_LARGE
    code = "headers_too_large"
    status = 431


class ClientGone(Exception):
    """The client closed the connection before its request was whole. Not a ``Fault``: nobody is left to answer."""
