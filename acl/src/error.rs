//! What can be wrong with a policy.

/// What can be wrong with a policy. All of it is found before the policy takes effect; the one before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AclError {
    /// No such preset.
    #[error("a preset is one of closed, members, provisioned, instances")]
    UnknownPreset,
    /// A line of a policy's text, counted from 1.
    #[error("line {line}: {error}")]
    Line {
        /// Which line.
        line: usize,
        /// What is wrong with it.
        error: LineError,
    },
    /// A label that isn't one.
    #[error("a label is 1 to 64 of [A-Za-z0-9._-]")]
    Label,
    /// An instance that is none.
    #[error("an instance is its id, 64 lowercase hex digits, or its label, 1 to 64 of [A-Za-z0-9._-]")]
    Instance,
    /// A TCB that is none.
    #[error(
        "a TCB is parts like `bootloader=4 snp=22`, of fmc, bootloader, tee, snp and microcode, 0 to 255"
    )]
    Tcb,
    /// Roles of roles of roles…
    #[error("a role may be reached over at most {0} others; name it more directly")]
    TooDeep(usize),
    /// The policy engine didn't take what it was given. A defect of ours, not of the policy.
    #[error("the policy engine failed: {0}; the policy is unchanged, report this")]
    Engine(String),
}

/// What can be wrong with one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Neither a rule nor a role.
    #[error(
        "a line is `p, SUBJECT, DOMAIN, RESOURCE, ACTION, EFFECT[, CONDITION]` or `g, SUBJECT, role:NAME, DOMAIN`"
    )]
    Shape,
    /// Not a subject.
    #[error(
        "a subject is member, measurement:HEX, fingerprint:HEX, label:NAME, instance:HEX, instance:NAME, \
         principal:NAME or role:NAME, with names of [A-Za-z0-9._-] and lowercase hex"
    )]
    Subject,
    /// A principal where it can't be.
    #[error(
        "principal:NAME is the subject of an allow, which names no other principal in its condition; a deny would be got \
         around by not proving who one is, and a role is given to what a certificate says"
    )]
    PrincipalSubject,
    /// Not for agents.
    #[error(
        "administer can't be granted to an agent: no admission certificate is an administrator's; an action is store, \
         retrieve, list, versions, delete, destroy or rotate"
    )]
    Administer,
    /// Only roles are given by a policy; labels come from the domain's reference values.
    #[error("only a role can be given here (role:NAME)")]
    NotARole,
    /// Another domain's name, or none.
    #[error("a policy speaks of its own domain only")]
    Domain,
    /// Not a pattern.
    #[error(
        "a resource is segments of [A-Za-z0-9._-] joined by '/'; `*` stands for one whole segment, `{{instance}}` \
         for the asking machine's own, `**` at the end for all that follow"
    )]
    Resource,
    /// Not an action.
    #[error("an action is store, retrieve, list, versions, delete, destroy or rotate")]
    Action,
    /// Not a condition, or one that the effect can't have.
    #[error(
        "a condition is `if …` after allow, `unless …` after deny, of `fresh-within TIME` (1s to 30d), \
         `principal NAME`, `source NETWORK …`, `between [DAYS] HH:MM-HH:MM` (UTC) and `tcb-at-least PART=N …`, each \
         at most once, joined by `and`"
    )]
    Condition,
    /// Not an effect.
    #[error("an effect is allow or deny")]
    Effect,
}
