import pytest


def policy(response):
    parts = [part.strip().split(" ", 1) for part in response["Content-Security-Policy"].split(";")]
    return {name: set(rest[0].split()) if rest else set() for name, *rest in parts}


@pytest.mark.django_db
class TestTheContentSecurityPolicy:
    @pytest.mark.parametrize("path", ["/", "/accounts/login/code/", "/no/such/page"])
    def test_lets_pages_load_only_our_own_files(self, client, path):
        found = policy(client.get(path))

        assert found["default-src"] == {"'none'"}
        assert found["script-src"] == found["style-src"] == {"'self'"}
        assert found["img-src"] == {"'self'", "data:"}
        assert found["form-action"] == {"'self'"}
        assert found["frame-ancestors"] == found["base-uri"] == {"'none'"}

    def test_lets_the_back_office_evaluate_its_own_scripts(self, client):
        found = policy(client.get("/admin/login/"))

        assert found["script-src"] == {"'self'", "'unsafe-eval'"}
        assert found["style-src"] == {"'self'", "'unsafe-inline'"}
        assert found["default-src"] == {"'none'"}

    def test_lets_the_docs_page_set_styles_but_run_nothing_inline(self, client):
        found = policy(client.get("/api/docs"))

        assert found["script-src"] == {"'self'"}
        assert found["style-src"] == {"'self'", "'unsafe-inline'"}

    @pytest.mark.parametrize("path", ["/api/schema", "/api/decisions", "/api/no/such/path"])
    def test_lets_an_answer_of_the_api_do_nothing(self, client, path):
        assert policy(client.get(path)) == {"default-src": {"'none'"}, "frame-ancestors": {"'none'"}}
