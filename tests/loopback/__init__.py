"""Servers on 127.0.0.1 that speak the providers' protocols, faults included; see `fixtures`."""
