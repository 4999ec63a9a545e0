"""Fits of one rank: least squares, variational, Gibbs sampling."""
