"""One Kubernetes cluster: find a package's workload and pods, and watch what becomes of them.

These are all the calls that the product makes to an API server. A server that answers them is
enough of a cluster (RBAC: docs/reference); nothing else is asked, no watch is opened.

Lists are paged: `?limit=250`, then `&continue=<metadata.continue>` until it is empty.

  GET    /apis/apps/v1/{deployments|statefulsets|daemonsets}            find by annotation
  GET    /apis/apps/v1/namespaces/{ns}/{plural}                         the same, one namespace
  GET    /apis/apps/v1/namespaces/{ns}/{plural}/{name}
  GET    /apis/apps/v1/namespaces/{ns}/replicasets?labelSelector=       owner chain of a Deployment;
         `deployment.kubernetes.io/revision` on both says which ReplicaSet is the current one
  GET    /api/v1/namespaces/{ns}/pods?labelSelector=                    selector as `k=v,k2=v2`
  GET    /api/v1/namespaces/{ns}/services
  PATCH  /api/v1/namespaces/{ns}/services/{name}                        application/merge-patch+json
         {"spec":{"selector":{"transition.dcnlab.ssu.ac.kr/door":"closed"}}}, to open: null;
         whoever applies the Service from Git must keep the extra key (a three-way merge does)
  GET    /apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices
         ?labelSelector=kubernetes.io/service-name={service}            empty once it is closed
  GET    /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies     others that allow traffic
  PATCH  /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/{name}
         ?fieldManager=airflow-transition&force=true                    application/apply-patch+yaml
         server-side apply (body is JSON): creates (201) or replaces (200) `transition-door-<name>`;
         podSelector {matchLabels}, policyTypes [Ingress] or [Ingress, Egress], no rules: deny all
  DELETE /apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/{name}       404 is fine
  POST   /api/v1/namespaces                                             409 is fine; for a door that
         is closed in a namespace which the target does not have yet
  POST   /api/v1/nodes/{node}/proxy/checkpoint/{ns}/{pod}/{container}?timeout=   (hooks/kubelet.py)

Only where a policy has a quiesce hook:

  GET    /api/v1/namespaces/{ns}/pods/{pod}/exec?container=&command=&stdout=true&stderr=true
         WebSocket, subprotocol v5.channel.k8s.io or v4.channel.k8s.io; exit status on channel 3
  *      /api/v1/namespaces/{ns}/pods/{pod}:{port}/proxy/{path}
"""
