//! `sealink.v1.AuditService`.
use tonic::{Request, Response};

use super::Api;
use crate::{
    api::{
        convert,
        request::{Reply, page_answer, page_ask, parts},
    },
    domain::{access::Audience, audit_chain::Head},
    error::Error,
    pb::sealink::v1::{
        ExportAuditLogRequest, ExportAuditLogResponse, GetAuditHeadRequest, GetAuditHeadResponse,
        ListAuditEntriesRequest, ListAuditEntriesResponse, VerifyAuditLogRequest, VerifyAuditLogResponse,
        audit_service_server::AuditService,
    },
};

#[tonic::async_trait]
impl AuditService for Api {
    async fn list_audit_entries(
        &self,
        request: Request<ListAuditEntriesRequest>,
    ) -> Reply<ListAuditEntriesResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let filter = convert::audit_filter(request.filter)?;
        let listing = self.service.audit_entries(&caller, filter, &page_ask(request.pagination)).await?;
        Ok(Response::new(ListAuditEntriesResponse {
            entries: listing.rows.into_iter().map(convert::audit_entry).collect(),
            pagination: Some(page_answer(listing.next_token)),
        }))
    }

    async fn get_audit_head(&self, request: Request<GetAuditHeadRequest>) -> Reply<GetAuditHeadResponse> {
        let (caller, _) = parts(request, Audience::Administrators)?;
        let head = convert::audit_head(&self.service.audit_head(&caller).await?);
        Ok(Response::new(GetAuditHeadResponse { head: Some(head) }))
    }

    async fn verify_audit_log(
        &self,
        request: Request<VerifyAuditLogRequest>,
    ) -> Reply<VerifyAuditLogResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let after = convert::audit_point("after", request.after.as_ref())?.unwrap_or(Head::START);
        let expected = convert::audit_point("expected", request.expected.as_ref())?;
        let verified = self.service.verify_audit_log(&caller, after, expected).await?;
        Ok(Response::new(convert::audit_verified(&verified)))
    }

    async fn export_audit_log(
        &self,
        request: Request<ExportAuditLogRequest>,
    ) -> Reply<ExportAuditLogResponse> {
        let (caller, request) = parts(request, Audience::Administrators)?;
        let after = u64::try_from(request.after_sequence).map_err(|_| {
            Error::invalid("after_sequence", "sealink.audit_sequence", "value must be 0 or more")
        })?;
        let entries = self.service.audit_chain(&caller, after).await?;
        Ok(Response::new(ExportAuditLogResponse {
            entries: entries.into_iter().map(convert::audit_entry).collect(),
        }))
    }
}
