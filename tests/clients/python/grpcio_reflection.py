"""grpcio without generated code: every message type comes from the server's own reflection service."""

from urllib.parse import urlsplit

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import walk

SERVICE = "gitpod.v1.RunnerConfigurationService"


class GrpcioReflection:
    def __init__(self, compression=grpc.Compression.NoCompression):
        self.channel = grpc.insecure_channel(urlsplit(walk.URL).netloc, compression=compression)
        database = ProtoReflectionDescriptorDatabase(self.channel)
        walk.check(SERVICE in database.get_services(), f"reflection does not list {SERVICE}")
        service = descriptor_pool.DescriptorPool(database).FindServiceByName(SERVICE)
        self.methods = {method.name: self.stub(method) for method in service.methods}

    def stub(self, method):
        request = message_factory.GetMessageClass(method.input_type)
        answer = message_factory.GetMessageClass(method.output_type)
        call = self.channel.unary_unary(
            f"/{SERVICE}/{method.name}",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        return request, call

    def invoke(self, name, **fields):
        request, call = self.methods[name]
        try:
            return call(request(**fields), metadata=[("authorization", f"Bearer {walk.TOKEN}")], timeout=10)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise walk.NotFound(error) from error
            raise

    def create(self, runner, host, client_id, secret):
        return self.invoke(
            "CreateSCMIntegration",
            runner_id=runner,
            scm_id="github",
            host=host,
            oauth_client_id=client_id,
            oauth_plaintext_client_secret=secret,
        ).id

    def get(self, id):
        return row(self.invoke("GetSCMIntegration", id=id).integration)

    def pages(self, runner, size):
        token = ""
        while True:
            answer = self.invoke(
                "ListSCMIntegrations",
                pagination={"page_size": size, "token": token},
                filter={"runner_ids": [runner]},
            )
            yield [row(item) for item in answer.integrations]
            token = answer.pagination.next_token
            if not token:
                return

    def update(self, id, secret, pat):
        self.invoke("UpdateSCMIntegration", id=id, oauth_plaintext_client_secret=secret, pat=pat)

    def delete(self, id):
        self.invoke("DeleteSCMIntegration", id=id)


def row(item):
    oauth = item.oauth
    return walk.Row(item.id, item.runner_id, item.host, oauth.client_id, oauth.encrypted_client_secret, item.pat)


if __name__ == "__main__":
    walk.main(
        {
            "plain": GrpcioReflection,
            "gzip": lambda: GrpcioReflection(grpc.Compression.Gzip),
        }
    )
