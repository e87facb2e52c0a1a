"""The receiver of heartbeats: what nodes say, who may move a lost cluster, and who may know it."""
