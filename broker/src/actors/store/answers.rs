//! The way back from the committer: all answers of a commit that belong on one thread are one message there.
//!
//! Sent one by one, each answer would wake its thread: a system call each, and the thread would run between them.

use std::sync::Arc;

use actix::{Actor, Context, Handler, Message, Recipient};
use claviger_store::{Done, StoreError};
use tokio::sync::oneshot;

/// What became of a command.
pub(super) type Outcome = Result<Done, StoreError>;

/// An outcome, and who waits for it.
pub(super) struct Answer {
    reply: oneshot::Sender<Outcome>,
    outcome: Outcome,
}

impl Answer {
    fn give(self) {
        // The peer may have gone; what it asked for is committed all the same.
        drop(self.reply.send(self.outcome));
    }
}

/// Answers for those who wait on one thread.
#[derive(Message)]
#[rtype(result = "()")]
pub(super) struct Answers(Vec<Answer>);

/// The desk actor of a shard: hands answers to those who wait for them on its thread.
pub struct AnswerDesk(());

impl AnswerDesk {
    /// Starts one on this thread.
    pub fn open() -> Desk {
        Desk(Arc::new(Self(()).start().recipient()))
    }
}

impl Actor for AnswerDesk {
    type Context = Context<Self>;
}

impl Handler<Answers> for AnswerDesk {
    type Result = ();

    fn handle(&mut self, Answers(answers): Answers, _: &mut Context<Self>) {
        answers.into_iter().for_each(Answer::give);
    }
}

/// The way to an [`AnswerDesk`].
#[derive(Clone)]
pub struct Desk(Arc<Recipient<Answers>>);

/// The answers of one commit, by desk.
#[derive(Default)]
pub(super) struct Outbox(Vec<(Desk, Vec<Answer>)>);

impl Outbox {
    /// An answer that goes through `desk`; without one it is given at once.
    pub(super) fn add(&mut self, desk: Option<Desk>, reply: oneshot::Sender<Outcome>, outcome: Outcome) {
        let answer = Answer { reply, outcome };
        let Some(desk) = desk else { return answer.give() };
        // There are as many desks as cores.
        match self.0.iter_mut().find(|(known, _)| Arc::ptr_eq(&known.0, &desk.0)) {
            Some((_, answers)) => answers.push(answer),
            None => self.0.push((desk, vec![answer])),
        }
    }

    /// Sends them. A thread that is gone has nobody who waits.
    pub(super) fn send(self) {
        for (desk, answers) in self.0 {
            desk.0.do_send(Answers(answers));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_rt::test]
    async fn everybody_gets_their_own_answer() {
        let desks = [Some(AnswerDesk::open()), Some(AnswerDesk::open()), None];
        let mut outbox = Outbox::default();
        let mut waiting = Vec::new();
        for n in 0..9 {
            let (reply, answer) = oneshot::channel();
            let outcome = if n % 2 == 0 { Ok(Done::DomainUpdated) } else { Err(StoreError::NotFound) };
            outbox.add(desks[n % 3].clone(), reply, outcome);
            waiting.push(answer);
        }
        assert_eq!(outbox.0.len(), 2, "one message for each desk");
        outbox.send();
        for (n, answer) in waiting.into_iter().enumerate() {
            assert_eq!(answer.await.expect("answered").is_ok(), n % 2 == 0, "answer {n}");
        }
    }
}
