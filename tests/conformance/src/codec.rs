//! The product's codec with another JSON: `google.protobuf.Any` needs the descriptors at run time.
use std::{marker::PhantomData, sync::LazyLock};

use bytes::{Buf, BufMut};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor};
use sealink::rpc::codec::Format;
use tonic::{
    Status,
    codec::{DecodeBuf, Decoder, EncodeBuf, Encoder},
};

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(crate::pb::DESCRIPTORS).expect("the suite's own descriptors"));

/// Encodes `T` and decodes `U` in the format of the call that made it.
pub struct Codec<T, U> {
    format: Format,
    types: PhantomData<fn() -> (T, U)>,
}

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self { format: Format::current(), types: PhantomData }
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Name + 'static,
    U: Message + Name + Default + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = Coder<T>;
    type Decoder = Coder<U>;

    fn encoder(&mut self) -> Coder<T> {
        Coder { format: self.format, message: PhantomData }
    }

    fn decoder(&mut self) -> Coder<U> {
        Coder { format: self.format, message: PhantomData }
    }
}

/// One direction of a [`Codec`].
pub struct Coder<T> {
    format: Format,
    message: PhantomData<fn() -> T>,
}

impl<T: Name> Coder<T> {
    fn descriptor() -> Result<MessageDescriptor, Status> {
        POOL.get_message_by_name(&T::full_name()).ok_or_else(|| Status::internal("unknown message"))
    }
}

impl<T: Message + Name> Encoder for Coder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        if self.format == Format::Proto {
            return item.encode(buffer).map_err(|_| Status::internal("protobuf encoding failed"));
        }
        let mut message = DynamicMessage::new(Self::descriptor()?);
        message.transcode_from(&item).map_err(|_| Status::internal("transcoding failed"))?;
        let json = serde_json::to_vec(&message).map_err(|_| Status::internal("JSON encoding failed"))?;
        buffer.put_slice(&json);
        Ok(())
    }
}

impl<T: Message + Name + Default> Decoder for Coder<T> {
    type Item = T;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<T>, Status> {
        if self.format == Format::Proto {
            let message = T::decode(buffer);
            return message.map(Some).map_err(|_| Status::invalid_argument("invalid protobuf message"));
        }
        let text = buffer.copy_to_bytes(buffer.remaining());
        let mut json = serde_json::Deserializer::from_slice(&text);
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        DynamicMessage::deserialize_with_options(Self::descriptor()?, &mut json, &options)
            .ok()
            .filter(|_| json.end().is_ok())
            .and_then(|message| message.transcode_to().ok())
            .map(Some)
            .ok_or_else(|| Status::invalid_argument("invalid JSON message"))
    }
}
