//! The window against destinations that are scripted as functions from records to answers.

use std::collections::BTreeSet;
use std::time::Duration;

use pipeline::report::FailureReason;

use super::*;
use crate::batch::Failure;
use crate::destination::{self, samples};

fn parcel(sequence: u64, records: usize) -> Parcel {
    let lines: Vec<String> = (0..records).map(|index| format!("line {index}")).collect();
    let lines: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
    Parcel {
        sequence,
        batch: Arc::new(samples::batch(&lines)),
    }
}

fn requests(records: Vec<Vec<u32>>) -> Requests {
    Requests {
        records,
        times: Times::default(),
    }
}

fn holding(batches: &[(u64, usize)]) -> Window {
    let mut window = Window::default();
    for (sequence, records) in batches {
        let parcel = parcel(*sequence, *records);
        let all = samples::all(&parcel.batch);
        window.hold(parcel, requests(vec![all]));
    }
    window
}

fn failure() -> Failure {
    Failure {
        reason: FailureReason::Refused,
        message: "400 Bad Request".to_owned(),
    }
}

fn accepted() -> Answer {
    destination::stored()
}

fn refused() -> Answer {
    Answer::Refused { failure: failure() }
}

fn retry(suspicion: Suspicion) -> Answer {
    Answer::Retry {
        failure: failure(),
        after: None,
        suspicion,
    }
}

/// Sends what there is to one at a time, at most `requests` of them; returns what is settled and how many were sent.
fn run(window: &mut Window, requests: usize, mut server: impl FnMut(&Piece) -> Answer) -> (Vec<Settled>, usize) {
    let mut settled = Vec::new();
    for sent in 0..requests {
        let Some(piece) = window.next(Instant::now()) else {
            return (settled, sent);
        };
        let answer = server(&piece);
        window.judge(piece, &answer, Instant::now());
        settled.append(&mut window.take_settled());
    }
    (settled, requests)
}

#[test]
fn a_batch_is_settled_when_all_its_requests_are() {
    let mut window = Window::default();
    window.hold(parcel(1, 3), requests(vec![vec![0, 2], vec![1]]));
    let (first, second) = (
        window.next(Instant::now()).unwrap(),
        window.next(Instant::now()).unwrap(),
    );
    window.judge(second, &accepted(), Instant::now());
    assert!(window.take_settled().is_empty());
    window.judge(first, &accepted(), Instant::now());
    let settled = window.take_settled();
    assert_eq!((settled[0].sequence, settled[0].dropped.as_slice()), (1, [].as_slice()));
    assert!(window.is_empty());
}

#[test]
fn a_batch_without_records_is_settled_at_once() {
    let mut window = holding(&[(1, 0)]);
    assert_eq!((window.take_settled().len(), window.is_empty()), (1, true));
}

#[test]
fn what_is_sent_again_is_the_same() {
    let mut window = holding(&[(1, 2)]);
    let mut piece = window.next(Instant::now()).unwrap();
    piece.body = Some(Bytes::from_static(b"once"));
    for answer in [
        retry(Suspicion::None),
        retry(Suspicion::Content),
        Answer::Blocked { failure: failure() },
        refused(),
    ] {
        window.judge(piece.clone(), &answer, Instant::now());
        let again = window.next(Instant::now()).unwrap();
        assert_eq!(
            (&again.records, &again.body),
            (&piece.records, &piece.body),
            "{answer:?}"
        );
        piece = again;
    }
}

#[test]
fn the_oldest_goes_first() {
    let mut window = holding(&[(2, 1), (1, 1)]);
    let piece = window.next(Instant::now()).unwrap();
    assert_eq!(piece.sequence, 1);
    window.judge(piece, &retry(Suspicion::None), Instant::now());
    assert_eq!(window.next(Instant::now()).unwrap().sequence, 1);
}

#[test]
fn three_seconds_of_400_lose_nothing() {
    let mut window = holding(&[(1, 100), (2, 1)]);
    let mut requests = 0;
    let (settled, _) = run(&mut window, 1000, |_| {
        requests += 1;
        if requests <= 40 { refused() } else { accepted() }
    });
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|settled| settled.dropped.is_empty()), "{settled:?}");
}

#[test]
fn a_single_line_that_a_proxy_refused_is_sent_again_without_other_traffic() {
    let mut window = holding(&[(1, 1)]);
    let mut requests = 0;
    let (settled, sent) = run(&mut window, 1000, |_| {
        requests += 1;
        if requests <= 10 { refused() } else { accepted() }
    });
    assert_eq!((settled[0].dropped.len(), sent), (0, 11));
}

#[test]
fn a_destination_that_refuses_everything_loses_nothing_however_long_it_lasts() {
    let mut window = holding(&[(1, 20), (2, 1)]);
    let (settled, _) = run(&mut window, 10_000, |_| refused());
    assert!(settled.is_empty());
}

#[test]
fn the_one_record_that_is_refused_among_others_is_found_and_given_up() {
    let mut window = holding(&[(1, 1000)]);
    let poison = 617;
    let (settled, sent) = run(&mut window, 1000, |piece| {
        if piece.records.contains(&poison) {
            refused()
        } else {
            accepted()
        }
    });
    assert_eq!(settled[0].dropped, [(617, DropCause::Rejected)]);
    assert!(sent < 40, "{sent} requests");
}

/// Sends a batch of one record after another, for as long as the window holds the first batch.
fn send_others(
    window: &mut Window,
    sequences: std::ops::Range<u64>,
    server: impl Fn(&Piece) -> Answer,
) -> Vec<Settled> {
    let mut settled = Vec::new();
    for sequence in sequences {
        window.hold(parcel(sequence, 1), requests(vec![vec![0]]));
        settled.append(&mut run(window, 2, &server).0);
    }
    settled
}

#[test]
fn a_refused_record_alone_is_given_up_only_when_others_are_accepted_in_between() {
    let mut window = holding(&[(1, 1)]);
    let only_first = |piece: &Piece| if piece.sequence == 1 { refused() } else { accepted() };
    assert!(run(&mut window, 100, only_first).0.is_empty(), "no evidence");
    assert!(
        send_others(&mut window, 2..3, only_first)
            .iter()
            .all(|settled| settled.sequence != 1),
        "too little"
    );
    let settled = send_others(&mut window, 3..4, only_first);
    let first = settled.iter().find(|settled| settled.sequence == 1).unwrap();
    assert_eq!(first.dropped, [(0, DropCause::Rejected)]);
}

#[test]
fn a_request_that_is_too_large_is_halved_then_cut_then_given_up() {
    let mut window = Window::default();
    let parcel = Parcel {
        sequence: 0,
        batch: Arc::new(samples::batch(&[b"short", &[b'x'; 4096]])),
    };
    window.hold(parcel, requests(vec![vec![0, 1]]));
    let too_large = |piece: &Piece| match piece.sequence {
        0 if piece.records.contains(&1) => Answer::Split { failure: failure() },
        _ => accepted(),
    };
    let mut sizes = Vec::new();
    let (settled, _) = run(&mut window, 100, |piece| {
        sizes.push((piece.records.len(), piece.max_record_bytes));
        too_large(piece)
    });
    let expected = [(2, None), (1, None), (1, None), (1, Some(2048)), (1, Some(1024))];
    assert_eq!(sizes[..5], expected);
    assert!(settled.is_empty(), "nothing was accepted since, so it isn't given up");
    let settled = send_others(&mut window, 2..4, too_large);
    let first = settled.iter().find(|settled| settled.sequence == 0).unwrap();
    assert_eq!(first.dropped, [(1, DropCause::TooLarge)]);
}

#[test]
fn the_oldest_are_taken_for_those_that_a_store_only_counted() {
    let mut window = holding(&[(1, 4)]);
    let answer = Answer::Accepted {
        refused: Refusals::Count(2),
        failure: Some(failure()),
    };
    let piece = window.next(Instant::now()).unwrap();
    let given_up = window.judge(piece, &answer, Instant::now());
    assert_eq!((given_up[0].records, given_up[0].bytes.clone()), (2, 0..14));
    let dropped: Vec<usize> = window.take_settled()[0]
        .dropped
        .iter()
        .map(|(record, _)| *record)
        .collect();
    assert_eq!(dropped, [0, 1]);
}

/// Sends with a minute between two requests, and once more to `server` what each answer was to.
fn run_slowly(
    window: &mut Window,
    minutes: u64,
    mut server: impl FnMut(&Piece) -> Answer,
) -> (Vec<Settled>, Vec<Notice>) {
    let start = Instant::now();
    let (mut settled, mut notices) = (Vec::new(), Vec::new());
    for minute in 0..minutes {
        let now = start + Duration::from_secs(60 * minute);
        if let Some(piece) = window.next(now) {
            let answer = server(&piece);
            notices.extend(window.judge(piece, &answer, now));
        }
        settled.append(&mut window.take_settled());
    }
    (settled, notices)
}

#[test]
fn a_record_that_kills_the_server_is_found_named_and_kept() {
    let mut window = holding(&[(1, 100), (2, 3)]);
    let (mut deaths, mut stored) = (0, BTreeSet::new());
    let (settled, notices) = run_slowly(&mut window, 300, |piece| {
        if piece.sequence == 1 && piece.records.contains(&61) {
            deaths += 1;
            return retry(Suspicion::Content);
        }
        stored.extend(piece.records.iter().map(|record| (piece.sequence, *record)));
        accepted()
    });
    assert_eq!(stored.len(), 102, "all others are stored");
    assert_eq!(settled.len(), 1, "its batch is not settled");
    let first = &notices[0];
    assert_eq!(
        (first.what, first.records, first.bytes.clone()),
        (What::SetAside, 1, 478..486)
    );
    // Tried again every five minutes, and nothing is given up.
    assert!(
        notices.iter().all(|notice| notice.what == What::SetAside) && notices.len() > 20,
        "{notices:?}"
    );
    assert!(deaths < 100, "{deaths}");
    let given_up = window.give_up(i64::MAX, TooOld::InFailed);
    assert_eq!(given_up[0].what, What::GivenUp(DropCause::GaveUp));
    assert_eq!(window.take_settled()[0].dropped, [(61, DropCause::GaveUp)]);
    assert!(window.is_empty());
}

#[test]
fn an_outage_of_any_length_halves_a_batch_once_and_loses_nothing() {
    let mut window = holding(&[(1, 64), (2, 64)]);
    let mut sizes = BTreeSet::new();
    let (settled, notices) = run_slowly(&mut window, 1000, |piece| {
        sizes.insert(piece.records.len());
        retry(Suspicion::Content)
    });
    assert_eq!((settled.len(), notices.len(), sizes), (0, 0, BTreeSet::from([32, 64])));
    let (settled, _) = run_slowly(&mut window, 10, |_| accepted());
    assert!(settled.len() == 2 && settled.iter().all(|settled| settled.dropped.is_empty()));
}

#[test]
fn a_server_that_is_not_there_is_no_reason_to_suspect_a_record() {
    let mut window = holding(&[(1, 64)]);
    run_slowly(&mut window, 1000, |piece| {
        assert_eq!(piece.records.len(), 64);
        retry(Suspicion::None)
    });
}

/// A window whose only batch has records of these times.
fn aged(times: &[i64]) -> Window {
    let parcel = parcel(1, times.len());
    let all = samples::all(&parcel.batch);
    let mut window = Window::default();
    let requests = Requests {
        records: vec![all],
        times: Times(Some(times.to_vec())),
    };
    window.hold(parcel, requests);
    window
}

#[test]
fn only_what_is_too_old_is_given_up_and_the_rest_is_another_request() {
    let mut window = aged(&[10, 30, 19, 20]);
    let mut piece = window.next(Instant::now()).unwrap();
    piece.body = Some(Bytes::from_static(b"all four"));
    window.judge(piece, &retry(Suspicion::None), Instant::now());
    let notices = window.give_up(20, TooOld::InFailed);
    assert_eq!(
        (notices[0].records, notices[0].what),
        (2, What::GivenUp(DropCause::GaveUp))
    );
    let piece = window.next(Instant::now()).unwrap();
    assert_eq!((piece.records.as_slice(), &piece.body), (&[1, 3][..], &None));
    window.judge(piece, &accepted(), Instant::now());
    let dropped = &window.take_settled()[0].dropped;
    assert_eq!(*dropped, [(0, DropCause::GaveUp), (2, DropCause::GaveUp)]);
}

#[test]
fn what_was_not_tried_is_too_old_only_where_nothing_is_accepted() {
    let mut window = aged(&[10]);
    assert_eq!(window.give_up(20, TooOld::InFailed), []);
    assert_eq!(window.give_up(10, TooOld::Anywhere), [], "of just that age");
    assert_eq!(window.give_up(11, TooOld::Anywhere).len(), 1);
    assert!(window.is_empty());
}

proptest::proptest! {
    /// Whatever a destination refuses for its content, and however it fails in between: every batch is settled, what is
    /// refused is what should be, and no record is accepted twice or not at all.
    #[test]
    fn every_record_is_either_accepted_once_or_given_up(
        sizes in proptest::collection::vec(1_usize..40, 1..6),
        poison in proptest::collection::btree_set((0_u64..6, 0_u32..40), 0..8),
        weather in proptest::collection::vec(0_u8..4, 1..60),
    ) {
        let batches: Vec<(u64, usize)> = (0..).zip(sizes.iter().copied()).collect();
        let mut window = holding(&batches);
        // Always something to compare with: traffic goes on.
        let mut traffic = 100;
        let (mut stored, mut dropped, mut sent) = (BTreeSet::new(), BTreeSet::new(), 0);
        while window.held.keys().any(|sequence| *sequence < 100) {
            proptest::prop_assert!(sent < 5_000, "it never ends");
            if !window.held.contains_key(&traffic) {
                traffic += 1;
                window.hold(parcel(traffic, 1), requests(vec![vec![0]]));
            }
            let (settled, _) = run(&mut window, 1, |piece| {
                sent += 1;
                let storm = weather.get(sent).copied().unwrap_or(0);
                let bad = piece.records.iter().any(|record| poison.contains(&(piece.sequence, *record)));
                match storm {
                    1 => return retry(Suspicion::Content),
                    2 if piece.records.len() > 1 => return Answer::Split { failure: failure() },
                    _ if bad => return refused(),
                    _ => {}
                }
                for record in &piece.records {
                    assert!(stored.insert((piece.sequence, *record)), "stored twice");
                }
                accepted()
            });
            for settled in settled {
                dropped.extend(settled.dropped.iter().map(|(record, _)| (settled.sequence, u32::try_from(*record).unwrap())));
            }
        }
        let real: BTreeSet<(u64, u32)> = batches.iter()
            .flat_map(|(sequence, size)| (0..u32::try_from(*size).unwrap()).map(|record| (*sequence, record)))
            .collect();
        let expected: BTreeSet<(u64, u32)> = real.intersection(&poison).copied().collect();
        proptest::prop_assert_eq!(&dropped, &expected);
        let stored: BTreeSet<(u64, u32)> = stored.into_iter().filter(|(sequence, _)| *sequence < 100).collect();
        proptest::prop_assert_eq!(stored, real.difference(&expected).copied().collect());
    }
}
