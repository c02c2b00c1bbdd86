"""Content-Security-Policy: what a page may load, run, and send to. Nothing is from other hosts, nothing is inline."""

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        # An image embedded in a stylesheet causes no request. Pico has some, and a browser may draw them in the moment
        # before our own stylesheet turns them off.
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

# Exceptions by the start of the path; the first match replaces these directives.
CONTENT_SECURITY_POLICY_SECTIONS = {
    # Swagger UI sets style attributes; scripts and styles are our own static files.
    "/api/docs": {"style-src": [SELF, UNSAFE_INLINE]},
    # GraphiQL sets style attributes, and its stylesheet holds its fonts.
    "/dev/graphql": {"style-src": [SELF, UNSAFE_INLINE], "font-src": [SELF, "data:"]},
    # API answers are data: if a browser is made to display one, it must not execute anything.
    "/api/": dict.fromkeys(CONTENT_SECURITY_POLICY["DIRECTIVES"].keys() - {"default-src", "frame-ancestors"}),
    # Unfold's Alpine.js evaluates attributes, and its charts and menus set styles.
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},
}
