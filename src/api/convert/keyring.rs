//! The server's own keyring.
use super::timestamp;
use crate::{
    pb::sealink::v1 as pb,
    service::{RotationProgress, RotationStage, SeedReport, SeedState},
};

/// A seed as its operators see it.
pub(crate) fn seed(seed: &SeedReport) -> pb::Seed {
    let state = match seed.state {
        SeedState::Active => pb::SeedState::Active,
        SeedState::DecryptOnly => pb::SeedState::DecryptOnly,
        SeedState::Retired => pb::SeedState::Retired,
    };
    pb::Seed {
        key_id: seed.key_id,
        state: state.into(),
        created_at: Some(timestamp(seed.created_at)),
        demoted_at: seed.demoted_at.map(timestamp),
        records: count(seed.records),
        audit_links: count(seed.audit_links),
        idempotency_keys: count(seed.idempotency_keys),
    }
}

/// How far a rotation is.
pub(crate) fn rotation(progress: RotationProgress) -> pb::RotateResponse {
    let stage = match progress.stage {
        RotationStage::Spreading => pb::RotationStage::Spreading,
        RotationStage::Resealing => pb::RotationStage::Resealing,
        RotationStage::Done => pb::RotationStage::Done,
    };
    pb::RotateResponse {
        stage: stage.into(),
        key_id: progress.key_id,
        resumed: progress.resumed,
        resealed: count(progress.resealed),
        total: count(progress.total),
        unreadable: count(progress.unreadable),
        retired: progress.retired,
    }
}

fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
