//! What can be wrong with a policy.

/// What can be wrong with a policy, found when it is compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AclError {
    /// No such preset.
    #[error("a preset is one of closed, members, provisioned")]
    UnknownPreset,
}
