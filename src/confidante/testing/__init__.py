"""Fakes and conformance tests that are shipped with the product."""
