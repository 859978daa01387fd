//! What every store does alike: the tests of the ports `Ledger`, `Outbox`, `TicketLinks` and `Decide`, and
//! of the courier that works on them, written once and run against each adapter by [`behaviours`](crate::adapters::behaviour::behaviours).

pub(super) mod courier;
pub(super) mod ledger;
pub(super) mod links;
pub(super) mod outbox;
pub(super) mod proposals;
pub(super) mod records;
pub(super) mod stop;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::finding::testing::noon;
use crate::domain::id::TenantId;
use crate::domain::record::chain::{Anchor, Entry};
use crate::ports::ticket::TicketLinks;
use crate::ports::{Decide, Ledger, Outbox, PruneRecords, ReadRecords};

/// An adapter, with what a test has to know of it beside its ports.
#[async_trait]
pub(super) trait Store: Sized + Send + Sync {
    /// The adapter.
    type Ports: Ledger + Outbox + Decide + PruneRecords + TicketLinks + 'static;

    /// A new, empty store.
    async fn fresh() -> Self;
    /// The adapter of this store.
    fn ports(&self) -> Arc<Self::Ports>;
    /// The store as the next process finds it.
    async fn after_a_crash(&self) -> Self;
    /// Where the chain with a tenant's records begins, and all of it, the oldest first.
    async fn chain(&self, tenant: TenantId) -> (Anchor, Vec<Entry>);
    /// What reads the records back.
    async fn reader(&self) -> Arc<dyn ReadRecords>;
    /// Kind, subject, content and reason of what was given up, the oldest first.
    async fn dead_letters(&self) -> Vec<[String; 4]>;
}

/// A store at hand.
struct Given<S: Store> {
    at_hand: S,
    store: Arc<S::Ports>,
}

impl<S: Store> Given<S> {
    async fn new() -> Self {
        Self::with(S::fresh().await)
    }

    fn with(at_hand: S) -> Self {
        let store = at_hand.ports();
        Self { at_hand, store }
    }

    async fn after_a_crash(&self) -> Self {
        Self::with(self.at_hand.after_a_crash().await)
    }
}

/// A number of seconds after noon.
pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(noon().as_second() + seconds).unwrap()
}

pub(super) fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

/// Runs every behaviour against a store, each as a test of its own.
macro_rules! behaviours {
    ($store:ty) => {
        $crate::adapters::behaviour::behaviours! { $store;
            ledger::the_history_tells_how_far_each_step_has_come
            ledger::of_several_episodes_the_last_counts
            ledger::what_is_put_back_is_restored_in_step_and_case_together
            ledger::a_step_is_begun_again_only_while_nothing_has_come_of_it
            ledger::what_graph_took_is_read_again_at_once
            ledger::a_step_without_an_outcome_is_read_again_when_its_time_is_up
            ledger::the_case_of_what_is_intended_survives_a_crash
            ledger::reading_again_ends_when_access_is_gone_or_patience_is
            ledger::revocations_that_came_about_within_the_window_are_counted
            ledger::a_revocation_whose_answer_was_lost_is_counted_once_it_is_seen
            ledger::each_attempt_without_an_answer_counts_beside_what_came_of_the_next
            ledger::an_attempt_that_certainly_took_nothing_counts_for_nothing
            ledger::what_is_as_good_as_not_begun_may_have_taken_something_all_the_same
            ledger::what_graph_never_took_is_as_good_as_not_begun
            ledger::a_conclusion_is_kept_whole
            ledger::what_a_look_no_longer_finds_is_not_read_again
            ledger::every_record_is_linked_to_the_one_before_it
            ledger::what_was_never_intended_is_not_made_up
            outbox::a_message_is_handed_out_as_it_was_written
            outbox::the_messages_of_a_ticket_go_out_in_order
            outbox::tickets_do_not_wait_for_each_other
            outbox::a_message_is_put_once
            outbox::what_is_put_off_is_no_attempt
            outbox::a_message_tells_whether_another_one_waits_behind_it
            outbox::what_is_passed_on_is_a_message_of_its_own
            links::of_two_who_reserve_a_ticket_one_does
            links::a_ticket_is_found_by_the_systems_own_id
            links::a_door_is_told_whose_a_ticket_is
            courier::what_waits_for_a_ticket_is_taken_up_once_it_is_there
            courier::a_ticket_that_nothing_waits_for_wakes_nobody
            courier::a_ticket_in_which_people_are_asked_is_read_once_that_is_said
            courier::a_gate_is_knocked_at_every_five_minutes_for_as_long_as_it_takes
            courier::after_a_crash_between_the_link_and_the_news_of_it_the_news_is_told
            courier::who_keeps_no_tickets_opens_a_gate_by_taking_the_message
            courier::a_ticket_is_opened_told_and_ended
            courier::after_an_hour_out_of_order_there_is_one_ticket_and_nothing_is_lost
            courier::a_lost_answer_opens_no_second_ticket
            courier::where_it_cannot_be_known_whether_it_was_opened_a_person_is_asked_and_no_second_is_opened
            courier::a_lost_ledger_is_healed_by_what_is_found
            courier::a_hundred_at_once_open_one_ticket
            courier::what_was_said_is_not_said_twice_after_a_lost_answer
            courier::whoever_wants_to_be_left_alone_is_and_that_is_no_failed_attempt
            courier::what_a_person_has_to_mend_is_asked_for_once_in_a_while_and_not_for_each_message
            courier::what_people_ended_is_taken_up_again_and_what_they_deleted_opened_anew
            courier::a_policy_may_leave_the_end_to_people
            courier::while_a_sink_takes_nothing_another_one_is_told_and_hears_the_end_too
            courier::a_template_that_fails_costs_no_ticket_and_is_named_once
            outbox::a_message_given_up_is_buried_and_the_next_one_goes_out
            outbox::messages_and_their_attempts_survive_a_crash
            proposals::a_question_is_read_as_it_was_put
            proposals::of_two_racing_decisions_one_is_taken
            proposals::two_decisions_one_after_the_other_are_both_kept
            proposals::what_is_void_takes_no_decision_and_keeps_what_was_said
            proposals::the_last_question_about_a_partner_is_told
            proposals::what_is_begun_by_a_persons_word_says_so
            records::what_was_written_is_read_back_byte_for_byte
            records::a_record_is_found_by_its_name
            records::what_was_kept_long_enough_goes_and_the_chain_is_proven_from_there
            records::what_stands_is_never_removed
        }
    };
    ($store:ty; $($module:ident :: $name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $crate::adapters::behaviour::$module::$name::<$store>().await;
            }
        )*
    };
}

pub(super) use behaviours;
