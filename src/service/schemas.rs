//! What runners can be configured with.
use super::Service;
use crate::{
    domain::{access::Caller, id::RunnerId, schema::Schema},
    error::Result,
};

impl Service {
    /// A runner's schema: as it reported it, or the default before that. Every OAuth has a callback URL.
    ///
    /// # Errors
    /// As [`Service::runner`].
    pub async fn runner_schema(&self, caller: &Caller, id: RunnerId) -> Result<Schema> {
        self.use_runner(caller, id).await?;
        let mut schema = self.store.schema(id).await?.unwrap_or_else(Schema::before_any_report);
        // Who offers OAuth and names no place of its own has browsers come back here.
        let unnamed =
            schema.scms.iter_mut().filter_map(|scm| scm.oauth.as_mut()).filter(|url| url.is_empty());
        unnamed.for_each(|url| *url = self.oauth_callback());
        Ok(schema)
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
