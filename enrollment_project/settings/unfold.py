"""The look of the back office (django-unfold). Colors follow static/css/tokens.css: warm sand, deep teal."""

from typing import Any

from django.templatetags.static import static
from django.urls import reverse_lazy

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Enrollment platform",
    "SITE_HEADER": "Enrollment platform",
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "school",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "ENVIRONMENT": "enrollment_project.dashboard.navigation.environment",
    "DASHBOARD_CALLBACK": "enrollment_project.dashboard.front_page.dashboard",
    "STYLES": [lambda request: static("css/backoffice.css")],
    "SCRIPTS": [lambda request: static("js/landmarks.js")],
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/favicon.svg")}],
    "BORDER_RADIUS": "8px",
    "COLORS": {
        "base": {
            "50": "#fbf8f3",
            "100": "#f4efe6",
            "200": "#e6dccb",
            "300": "#d3c9b8",
            "400": "#a3a195",
            "500": "#6a716c",
            "600": "#4d5b57",
            "700": "#33413f",
            "800": "#243030",
            "900": "#172020",
            "950": "#0e1515",
        },
        "primary": {
            "50": "#edf8f5",
            "100": "#d3eee8",
            "200": "#a9ddd3",
            "300": "#7ac8bb",
            "400": "#5cc4b5",
            "500": "#33ab9b",
            "600": "#0b625a",
            "700": "#0a524b",
            "800": "#09423d",
            "900": "#073531",
            "950": "#041f1c",
        },
    },
    "SIDEBAR": {
        "show_search": True,
        "command_search": True,
        "show_all_applications": False,
        "navigation": "enrollment_project.dashboard.navigation.navigation",
    },
    "TABS": "enrollment_project.dashboard.navigation.tabs",
    "ACCOUNT": {
        "navigation": [
            {"title": "How you sign in", "link": reverse_lazy("staff-sign-ins")},
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
        ]
    },
    "COMMAND": {"search_models": False, "search_callback": "enrollment_project.dashboard.search.search"},
}
