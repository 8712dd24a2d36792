import ssl

import pytest

from tradewind.client.tls import KeyPair, TlsContexts, Trust
from tradewind.errors import ConfigError


def contexts(authority, **more):
    return TlsContexts(Trust(authority=lambda: authority.pem, **more))


def test_one_context_serves_until_the_pair_changes(authority):
    tls = contexts(authority)
    pair = authority.issue("ci")
    first = tls.current(pair, origin="the pair")
    assert tls.current(KeyPair(pair.certificate, pair.key), origin="the pair") is first
    assert tls.current(authority.issue("ci"), origin="the pair") is not first


def test_a_rotated_authority_makes_a_new_context(authority):
    bundle = [authority.pem]
    tls = TlsContexts(Trust(authority=lambda: bundle[0]))
    first = tls.current(None, origin="")
    bundle[0] = authority.pem * 2
    assert tls.current(None, origin="") is not first


def test_a_pair_that_became_unusable_leaves_the_last_context(authority):
    tls = contexts(authority)
    old, new = authority.issue("ci"), authority.issue("ci")
    first = tls.current(old, origin="the pair")
    assert tls.current(KeyPair(new.certificate, old.key), origin="the pair") is first
    assert tls.current(new, origin="the pair") is not first


def test_chains_and_names_are_checked_unless_told_otherwise(authority):
    strict = contexts(authority).current(None, origin="")
    assert strict.verify_mode is ssl.CERT_REQUIRED
    assert strict.check_hostname
    assert contexts(authority, verify=False).current(None, origin="").verify_mode is ssl.CERT_NONE


def with_a_foreign_key(authority):
    return KeyPair(authority.issue("a").certificate, authority.issue("b").key)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: KeyPair(b"no", b"pem"), id="no-pem"),
        pytest.param(with_a_foreign_key, id="key-of-another"),
        pytest.param(lambda ca: ca.issue("ci", password=b"secret"), id="encrypted-key"),
    ],
)
def test_an_unusable_pair_is_named_and_asks_nobody_for_a_password(authority, spoil):
    with pytest.raises(ConfigError, match=r"the pair cannot be used .*unencrypted PEM key"):
        contexts(authority).current(spoil(authority), origin="the pair")


@pytest.mark.parametrize("bundle", [b"no pem", b"\xff\xfe"])
def test_an_unusable_authority_is_named(bundle):
    tls = TlsContexts(Trust(authority=lambda: bundle, origin="the CA of cluster 'c'"))
    with pytest.raises(ConfigError, match="the CA of cluster 'c' is no PEM certificate"):
        tls.current(None, origin="")
