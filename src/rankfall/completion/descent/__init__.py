"""Chains of SGD that fall through the ranks while the ridge rises."""
