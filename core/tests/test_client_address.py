import pytest
from django.test import RequestFactory

from core.http.client_address import client_address, client_network, is_from_this_machine

PROXY = "10.0.0.1"


def request(*, peer: str = PROXY, forwarded: str | None = None):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)


class TestTheAddressOfACaller:
    @pytest.mark.parametrize("forwarded", [None, "203.0.113.9", "1.2.3.4, 203.0.113.9"])
    def test_is_the_peers_where_no_proxy_is_trusted(self, settings, forwarded):
        settings.TRUSTED_PROXIES = 0

        assert client_address(request(peer="198.51.100.7", forwarded=forwarded)) == "198.51.100.7"

    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "1.1.1.1, 203.0.113.9", "203.0.113.9"),
            (1, "1.1.1.1,2.2.2.2, 3.3.3.3 ,203.0.113.9", "203.0.113.9"),
            (2, "203.0.113.9, 10.0.0.2", "203.0.113.9"),
            (2, "1.1.1.1, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ],
    )
    def test_is_what_the_outermost_of_our_proxies_saw(self, settings, proxies, forwarded, address):
        settings.TRUSTED_PROXIES = proxies

        assert client_address(request(forwarded=forwarded)) == address

    @pytest.mark.parametrize(
        ("proxies", "forwarded"),
        [(1, None), (1, ""), (1, "203.0.113.9, "), (1, "for=me"), (1, "1.2.3.4, ' OR 1=1"), (2, "203.0.113.9")],
    )
    def test_is_the_peers_where_the_header_is_not_what_our_proxies_write(self, settings, proxies, forwarded):
        settings.TRUSTED_PROXIES = proxies

        assert client_address(request(forwarded=forwarded)) == PROXY

    @pytest.mark.parametrize(
        ("written", "address"),
        [
            ("203.0.113.9:51234", "203.0.113.9"),
            ("[2001:db8::5]:51234", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("2001:DB8:0:0::5", "2001:db8::5"),
            ("fe80::1%eth0", "fe80::1"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
        ],
    )
    def test_is_read_however_a_proxy_writes_it(self, settings, written, address):
        settings.TRUSTED_PROXIES = 1

        assert client_address(request(forwarded=written)) == address

    def test_is_unknown_for_a_peer_without_one(self):
        assert client_address(request(peer="")) == "unknown"
        assert client_network(request(peer="")) == "unknown"


class TestTheNetworkALimitCounts:
    def test_is_one_for_all_addresses_of_an_ipv6_network(self):
        one, other = request(peer="2001:db8:1:2::5"), request(peer="2001:db8:1:2:ffff::9")

        assert client_network(one) == client_network(other) == "2001:db8:1:2::/64"
        assert client_network(request(peer="2001:db8:1:3::5")) == "2001:db8:1:3::/64"

    def test_is_the_address_itself_in_ipv4(self):
        assert client_network(request(peer="203.0.113.9")) == "203.0.113.9"
        assert client_network(request(peer="::ffff:203.0.113.9")) == "203.0.113.9"


class TestAProgramOnThisMachine:
    @pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
    def test_is_known_by_the_loopback(self, peer):
        assert is_from_this_machine(request(peer=peer))

    def test_is_not_somebody_behind_a_proxy_on_this_machine(self):
        assert not is_from_this_machine(request(peer="127.0.0.1", forwarded="203.0.113.9"))

    def test_is_not_a_neighbor_who_says_so(self, settings):
        settings.TRUSTED_PROXIES = 1

        assert not is_from_this_machine(request(peer="10.0.0.7", forwarded="127.0.0.1"))
