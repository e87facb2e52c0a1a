"""The slice of the Kubernetes API that the product uses, with a real node behind it.

Only what the product calls is here, answered as Kubernetes 1.36 does (recorded exchanges in
tests/fixtures/kubernetes-1.36). Not here: watch, leases, events, admission, CRDs, liveness
probes, init containers, and NetworkPolicies finer than "all" or "nothing".
"""
