//! gRPC server reflection, v1 and v1alpha: `grpcurl`, `buf curl` and grpcio list and describe the API with it.
use tonic::service::Routes;
use tonic_reflection::{pb, server::Builder};

use crate::rpc::Methods;

/// Adds both versions, describing everything in `descriptors` (an encoded `FileDescriptorSet`).
///
/// # Errors
/// When `descriptors` is not a `FileDescriptorSet`.
pub fn add(
    routes: Routes,
    methods: Methods,
    descriptors: &[u8],
) -> Result<(Routes, Methods), Box<dyn std::error::Error + Send + Sync>> {
    let (v1, v1alpha) = (pb::v1::FILE_DESCRIPTOR_SET, pb::v1alpha::FILE_DESCRIPTOR_SET);
    let routes = routes
        .add_service(Builder::configure().register_encoded_file_descriptor_set(descriptors).build_v1()?)
        .add_service(Builder::configure().register_encoded_file_descriptor_set(descriptors).build_v1alpha()?);
    // Their messages were generated without JSON.
    Ok((routes, methods.with(v1, false)?.with(v1alpha, false)?))
}
