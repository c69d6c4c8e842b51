"""Hardening: does a network survive on neuromorphic hardware, in which units and with how many bits?"""
