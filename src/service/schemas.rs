//! What runners can be configured with.
use super::Service;
use crate::{
    domain::{access::Caller, id::RunnerId, schema::Schema},
    error::Result,
};

impl Service {
    /// A runner's schema: as it reported it, or the default before that.
    ///
    /// # Errors
    /// As [`Service::runner`].
    pub async fn runner_schema(&self, caller: &Caller, id: RunnerId) -> Result<Schema> {
        self.use_runner(caller, id).await?;
        Ok(self.store.schema(id).await?.unwrap_or_else(Schema::before_any_report))
    }

    /// Takes the calling runner's schema.
    ///
    /// # Errors
    /// [`Kind::Forbidden`](crate::error::Kind::Forbidden) for anybody but a runner,
    /// [`Kind::Invalid`](crate::error::Kind::Invalid) as [`Schema::accept`].
    pub async fn report_schema(&self, caller: &Caller, schema: Schema) -> Result<()> {
        let id = caller.runner()?;
        self.store.report_schema(self.actor(caller), id, schema.accept()?).await
    }
}
