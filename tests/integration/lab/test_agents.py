import boto3
from botocore.exceptions import ClientError
from transition_wire.archive_name import archive_key, record_key
from transition_wire.checkpoint_record import CheckpointRecord

from lab.client import Client, deployment, wait_for
from lab.description import LabDescription


def test_the_agent_of_a_node_uploads_what_its_kubelet_wrote(
    lab: LabDescription, source: Client, image: str
) -> None:
    source.apply(deployment(image))
    pod = source.ready_pod()
    archive = source.checkpoint(pod)
    key = archive_key(
        prefix="",
        cluster=source.cluster,
        namespace=source.namespace,
        pod=pod["metadata"]["name"],
        filename=archive.name,
    )
    s3 = boto3.client(
        "s3",
        endpoint_url=lab.s3.endpoint_url,
        aws_access_key_id=lab.s3.access_key,
        aws_secret_access_key=lab.s3.secret_key,
        region_name=lab.s3.region,
        verify=str(lab.ca_file),
    )

    def look() -> CheckpointRecord | None:
        try:
            content = s3.get_object(Bucket=lab.s3.bucket, Key=record_key(key))["Body"].read()
        except ClientError:
            return None
        return CheckpointRecord.model_validate_json(content)

    record = wait_for(look, what=f"{key} has a record")
    s3.close()
    assert record.size_bytes == archive.stat().st_size
    assert (record.namespace, record.container) == (source.namespace, "app")
    assert record.base_image.name == image
    assert record.node.criu is not None
    assert record.node.podman is not None
