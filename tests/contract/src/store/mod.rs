//! The promises of [`Store`], by what is remembered.

mod audit;
mod batches;
mod connections;
mod deliveries;
mod held;
mod links;
mod runs;
mod syncs;

use engine::ports::Store;

/// Holds a store to all its promises. `make` gives a store in which nothing is remembered yet.
pub async fn store_battery<S: Store>(make: impl AsyncFn() -> S) {
    syncs::unknown_sync_has_default_state(&make().await).await;
    syncs::state_reads_back_whole(&make().await).await;
    syncs::concurrent_updates_all_count(&make().await).await;
    syncs::syncs_are_listed_by_tenant(&make().await).await;

    runs::run_reads_back_whole(&make().await).await;
    runs::run_is_created_once(&make().await).await;
    runs::unknown_run_is_none(&make().await).await;
    runs::concurrent_updates_and_done_marks_all_count(&make().await).await;
    runs::done_mark_counts_once(&make().await).await;
    runs::runs_are_listed_newest_first(&make().await).await;

    batches::batch_reads_back_whole(&make().await).await;
    batches::batch_is_archived_once(&make().await).await;
    batches::concurrent_archiving_has_one_winner(&make().await).await;
    batches::run_without_lease_is_fenced(&make().await).await;
    batches::archiving_renews_the_lease(&make().await).await;
    batches::last_batch_is_the_one_with_the_greatest_number(&make().await).await;
    batches::expiry_spares_what_holds_a_held_record(&make().await).await;

    audit::history_is_told_oldest_first(&make().await).await;
    audit::batch_is_audited_once(&make().await).await;
    audit::parts_of_a_batch_are_audited_each(&make().await).await;
    audit::histories_of_other_records_stay_apart(&make().await).await;
    audit::big_batch_is_audited_whole(&make().await).await;

    held::newer_version_stays_held(&make().await).await;
    held::equal_or_newer_version_replaces(&make().await).await;
    held::waiter_for_the_same_keeps_its_since(&make().await).await;
    held::settling_releases_up_to_its_version(&make().await).await;
    held::held_are_paged_by_key(&make().await).await;
    held::held_are_filtered(&make().await).await;
    held::held_among_names_only_those(&make().await).await;

    links::links_read_back(&make().await).await;
    links::link_is_replaced(&make().await).await;
    links::link_tells_where_a_write_stands(&make().await).await;
    links::only_a_link_with_an_id_is_linked(&make().await).await;
    links::linking_leaves_the_rest_of_a_link(&make().await).await;
    links::change_that_changes_nothing_leaves_no_link(&make().await).await;
    links::concurrent_changes_of_a_link_all_count(&make().await).await;
    links::one_of_many_claims_a_link(&make().await).await;
    links::many_links_at_once(&make().await).await;

    deliveries::delivery_reads_back_whole_and_is_created_once(&make().await).await;
    deliveries::concurrent_updates_of_a_delivery_all_count(&make().await).await;
    deliveries::deliveries_are_listed_newest_first(&make().await).await;
    deliveries::cycles_of_other_deliveries_stay_apart(&make().await).await;

    connections::permits_are_limited(&make().await).await;
    connections::permit_is_renewed_by_its_holder(&make().await).await;
    connections::permit_expires(&make().await).await;
    connections::concurrent_permits_respect_the_limit(&make().await).await;
    connections::stop_holds_for_one_secret(&make().await).await;
    connections::stopped_connection_can_be_restarted(&make().await).await;
}
