//! The part of the trail in the engine: its chain and the checkpoints.

use crate::audit::chain::ChainHead;
use crate::audit::verify::Verification;
use crate::audit::{AuditError, AuditFacts, ChainId, Checkpoint, FindingKind, TrailHead, load_head};
use crate::domain::DomainKeys;
use crate::engine::{AnyEngine, Key, Tree};
use crate::error::StoreError;
use crate::layout;
use crate::store::scan_all;

/// How the chain in the engine ends.
pub(super) struct Walked {
    to: ChainHead,
    /// What is wrong after `to`, if anything.
    end: Option<FindingKind>,
}

/// Reads the chain in the engine. `visit` gets each good block, and where the chain is after it.
pub(super) fn walk(
    engine: &AnyEngine,
    keys: &DomainKeys,
    visit: &mut dyn FnMut(Vec<AuditFacts>, &ChainHead),
) -> Result<Walked, StoreError> {
    let mut to = ChainHead::empty(keys, ChainId::Store);
    let mut end = None;
    scan_all(engine, Tree::Audit, &layout::audit_blocks(keys.generation()), |found| {
        if end.is_some() {
            return Ok(());
        }
        if layout::number_of(&found.key) != Some(to.next) {
            end = Some(FindingKind::Gap { record: to.next });
            return Ok(());
        }
        let opened = to.open(keys, ChainId::Store, &found.value).ok();
        match opened.and_then(|opened| AuditFacts::decode_block(opened.expose())) {
            Some(facts) if !facts.is_empty() => {
                to = to.after(&found.value, facts.len() as u64);
                visit(facts, &to);
            }
            _ => end = Some(FindingKind::Broken { record: to.next }),
        }
        Ok(())
    })?;
    Ok(Walked { to, end })
}

impl Verification<'_> {
    /// Where the store says that its chain is; `None`, and a finding, when that is damaged.
    pub(super) fn trail_head(&mut self) -> Result<Option<TrailHead>, AuditError> {
        match load_head(self.engine, self.keys) {
            Ok(head) => Ok(Some(head)),
            Err(StoreError::Damaged { .. }) => {
                self.find(ChainId::Store.to_string(), FindingKind::RolledBack);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn checkpoints(
        &mut self,
        before: Option<&TrailHead>,
        check_signature: &dyn Fn(&[u8], &[u8]) -> bool,
    ) -> Result<(), AuditError> {
        let mut last = (0, [0; 32]);
        let mut broken_at = None;
        let mut good = Vec::new();
        scan_all(self.engine, Tree::Audit, &layout::checkpoints(self.keys.generation()), |found| {
            let sequence = last.0 + 1;
            let place = Key::new(Tree::Audit, found.key);
            let opened = Checkpoint::open(self.keys, sequence, &place, &found.value).ok();
            let follows = layout::number_of(&place.bytes) == Some(sequence);
            match opened.filter(|(checkpoint, _)| follows && checkpoint.previous == last.1) {
                Some((checkpoint, signature)) if broken_at.is_none() => {
                    let bytes = checkpoint.signed_bytes(self.keys.domain(), self.keys.generation());
                    last = (sequence, Checkpoint::digest(&bytes));
                    good.push((checkpoint, check_signature(&bytes, &signature)));
                }
                _ => broken_at = broken_at.or(Some(sequence)),
            }
            // The head says how many there must be; checked at the checkpoint itself, for there may be more by now.
            if let Some(before) = before.filter(|before| before.checkpoint == last.0 && broken_at.is_none())
                && before.checkpoint_digest != last.1
            {
                broken_at = Some(sequence);
            }
            Ok(())
        })?;
        if broken_at.is_none() && before.is_some_and(|before| before.checkpoint > last.0) {
            broken_at = Some(last.0 + 1);
        }
        if let Some(sequence) = broken_at {
            self.find(format!("checkpoint {sequence}"), FindingKind::CheckpointBroken);
        }
        for (checkpoint, signed) in good {
            self.checkpoint(&checkpoint, signed);
        }
        Ok(())
    }

    fn checkpoint(&mut self, checkpoint: &Checkpoint, signed: bool) {
        if !signed {
            self.find(format!("checkpoint {}", checkpoint.sequence), FindingKind::CheckpointSignature);
            return;
        }
        self.report.checkpoints += 1;
        for (chain, head) in &checkpoint.heads {
            self.marks.add(*chain, head, checkpoint.sequence);
        }
    }

    /// Gives how many good records the chain has.
    pub(super) fn engine_chain(&mut self, before: Option<&TrailHead>) -> Result<u64, AuditError> {
        const CHAIN: ChainId = ChainId::Store;
        let mut ok = self.pass(CHAIN, &ChainHead::empty(self.keys, CHAIN));
        let mut passed_head = before.is_none_or(|before| before.chain.next == 0);
        let (engine, keys) = (self.engine, self.keys);
        let walked = walk(engine, keys, &mut |facts, after| {
            ok &= self.pass(CHAIN, after);
            passed_head |= before.is_some_and(|before| before.chain == *after);
            for facts in facts {
                if let (Some(name), Some(version)) = (facts.name, facts.version) {
                    self.stored.entry(name).or_default().add(&facts.action, version);
                }
            }
        })?;
        if let Some(kind) = walked.end {
            self.find(CHAIN.to_string(), kind);
            ok = false;
        } else if before.is_some() {
            // Stores may have been added while the chain was read, so its end lies between two looks at the head.
            let after = load_head(engine, keys)?;
            if !passed_head || walked.to.next > after.chain.next {
                self.find(CHAIN.to_string(), FindingKind::RolledBack);
                ok = false;
            }
        }
        self.segment(CHAIN.to_string(), walked.to.next, ok && before.is_some());
        Ok(walked.to.next)
    }
}
