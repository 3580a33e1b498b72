use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn fields(number: u64) -> Map<String, Value> {
    let entry = json!({
        "_id": format!("{number:024x}"),
        "actor": {"kind": "user", "id": "u1", "username": "root"},
        "at": "2024-01-01T00:00:00.000Z",
        "request_id": format!("r{number}"),
        "reason": null,
        "action": "role_updated",
        "before": {"name": format!("role {number}"), "protected": false, "size": 2.5},
        "after": {"name": format!("role {number}!"), "protected": false, "list": [number, number + 1]},
    });
    entry.as_object().unwrap().clone()
}

/// Made once: it takes most of the time.
static CHAINS: LazyLock<[Vec<Link>; 2]> = LazyLock::new(|| [make(&Sealer::default()), make(&key())]);

fn chain(sealer: &Sealer, length: usize) -> Vec<Link> {
    CHAINS[usize::from(sealer.is_keyed())][..length].to_vec()
}

fn make(sealer: &Sealer) -> Vec<Link> {
    let mut head = Head::START;
    let link = |number| {
        let fields = fields(number);
        let seal = sealer.seal(WORKSPACE, head, &fields);
        head = seal.head();
        Link { id: fields["_id"].as_str().unwrap().to_owned(), seal, fields, oddity: None }
    };
    (1..=300).map(link).collect()
}

/// Walks in the order in which a store gives entries, with its note of the newest.
fn findings(sealer: &Sealer, chain: &[Link], noted: Option<Head>, kept: Option<Head>) -> Vec<Finding> {
    let mut sorted: Vec<_> = chain.iter().collect();
    sorted.sort_by_key(|link| link.seal.seq);
    let mut walk = Walk::new(sealer, WORKSPACE, noted.into_iter().chain(kept).collect());
    let mut found: Vec<_> = sorted.into_iter().flat_map(|link| walk.step(link).unwrap()).collect();
    found.extend(walk.end(noted));
    found
}

fn head(chain: &[Link]) -> Option<Head> {
    chain.last().map(|link| link.seal.head())
}

fn key() -> Sealer {
    Sealer::with_key(b"sixteen bytes or more").unwrap()
}

/// The encoding is part of what operators keep: it never changes without another version.
#[test]
fn the_digest_of_an_entry_is_this_and_stays_this() {
    let entry = json!({"_id": "0123", "b": [1, -2.5, null, true], "a": {"é": "x", "": 3.0}, "big": u64::MAX});
    let entry = entry.as_object().unwrap();
    let first = Sealer::default().seal("workspace", Head::START, entry);
    assert_eq!(first.head().to_string(), VECTOR);
    let second = Sealer::default().seal("workspace", first.head(), entry);
    assert_eq!((second.seq, second.prev), (2, first.hash));
    assert_ne!(second.hash, first.hash);
    assert_eq!(key().seal("workspace", Head::START, entry).hash.to_string(), KEYED_VECTOR);
}

/// Computed by another program, by the words of `canonical`.
const VECTOR: &str = "1:5073309e0ea36905f03b4d8244a7ead1e67adb5201cbfcc51cc74af96dd35fbe";
const KEYED_VECTOR: &str = "2a6b14324990f2e4c3a3e2c89590d088da7cc54026653775e4ffdbb3ddbf65a9";

#[test]
fn a_whole_chain_is_sound_with_a_key_and_without() {
    for sealer in [Sealer::default(), key()] {
        let chain = chain(&sealer, 300);
        assert_eq!(findings(&sealer, &chain, head(&chain), Some(chain[20].seal.head())), []);
    }
    assert_eq!(findings(&key(), &[], Some(Head::START), None), []);
}

#[test]
fn what_was_sealed_with_a_key_is_not_judged_without_it_and_not_by_another() {
    let chain = chain(&key(), 2);
    let refusal = Walk::new(&Sealer::default(), WORKSPACE, Vec::new()).step(&chain[0]).unwrap_err();
    assert!(refusal.to_string().contains("ROLEKEEPER_AUDIT_KEY_FILE"), "{refusal}");
    let other = Sealer::with_key(b"sixteen bytes, but others").unwrap();
    assert_eq!(findings(&other, &chain, head(&chain), None).len(), 2);
    assert!(Sealer::with_key(b"too short").is_none());
    assert_eq!(format!("{other:?}"), "Sealer { keyed: true }");
}

#[test]
fn a_key_can_come_later_but_does_not_go() {
    let (without, with) = (Sealer::default(), key());
    let mut chain = chain(&without, 2);
    let unkeyed = findings(&with, &chain, head(&chain), None);
    assert_eq!(unkeyed.iter().map(|finding| &finding.problem).collect::<Vec<_>>(), [&Problem::Unkeyed]);
    for (number, sealer) in [(3, &with), (4, &without)] {
        let fields = fields(number);
        let seal = sealer.seal(WORKSPACE, head(&chain).unwrap(), &fields);
        chain.push(Link { id: fields["_id"].as_str().unwrap().to_owned(), seal, fields, oddity: None });
        let found = findings(&with, &chain, head(&chain), None);
        assert_eq!(found.is_empty(), number == 3, "{found:?}");
    }
}

#[test]
fn heads_are_written_and_read_alike() {
    let head = chain(&Sealer::default(), 3)[2].seal.head();
    assert_eq!(Head::parse(&head.to_string()), Some(head));
    assert_eq!(Head::parse(&format!(" {} ", head.to_string().to_uppercase())), Some(head));
    for bad in ["", "3", "3:", ":00", "x:00", "3:0000", "-3:00"] {
        assert_eq!(Head::parse(bad), None, "{bad}");
    }
}

/// One value that is not what it was, somewhere in the entry.
fn edit(value: &mut Value, mut place: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            place %= fields.len() + 1;
            match fields.values_mut().nth(place) {
                Some(value) => edit(value, place),
                None => {
                    let name = fields.keys().next().unwrap().clone();
                    fields.shift_remove(&name);
                }
            }
        }
        Value::String(text) => text.push('x'),
        Value::Number(number) => *number = (number.as_f64().unwrap() as i64 + 1).into(),
        Value::Bool(value) => *value = !*value,
        Value::Null => *value = Value::from("none"),
        Value::Array(list) => list.push(Value::Null),
        Value::Object(fields) => drop(fields.insert("new".to_owned(), Value::Null)),
    }
}

/// What somebody does who can write to the store and cannot make digests; whether he did it.
fn tamper(chain: &mut Vec<Link>, how: u8, one: usize, other: usize) -> bool {
    let (one, other) = (one % chain.len(), other % chain.len());
    match how {
        0 => {
            let mut entry = Value::Object(chain[one].fields.clone());
            edit(&mut entry, other);
            chain[one].fields = entry.as_object().unwrap().clone();
        }
        1 => drop(chain.remove(one)),
        2 => {
            let fields = chain[one].fields.clone();
            chain[one].fields = std::mem::replace(&mut chain[other].fields, fields);
        }
        3 => {
            let seq = chain[one].seal.seq;
            chain[one].seal.seq = std::mem::replace(&mut chain[other].seal.seq, seq);
        }
        4 => {
            // With a digest that fits, between two others.
            let fields = fields(10_000);
            let before = chain[one].seal.head();
            let seal = Sealer::default().seal(WORKSPACE, before, &fields);
            chain.push(Link { id: fields["_id"].as_str().unwrap().to_owned(), seal, fields, oddity: None });
            return true;
        }
        5 => chain.push(chain[one].clone()),
        6 => chain[one].seal.prev = chain[other].seal.hash,
        7 => chain[one].seal.hash = chain[other].seal.hash,
        8 => chain[one].id.push('0'),
        9 => {
            // Made anew so that it fits by itself.
            chain[one].fields.insert("reason".to_owned(), "another".into());
            let before = Head { seq: chain[one].seal.seq - 1, hash: chain[one].seal.prev };
            chain[one].seal = Sealer::default().seal(WORKSPACE, before, &chain[one].fields);
        }
        10 => chain[one].seal.keyed = !chain[one].seal.keyed,
        _ => chain.truncate(one),
    }
    one != other || ![2, 3, 6, 7].contains(&how)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn whatever_is_done_to_a_chain_is_found(how in 0_u8..12, one: usize, other: usize, keyed: bool) {
        let sealer = if keyed { key() } else { Sealer::default() };
        let mut chain = chain(&sealer, 40);
        let (noted, whole) = (head(&chain), chain.clone());
        let one = if how == 6 && one % 40 == (other % 40) + 1 { one + 1 } else { one };
        prop_assume!(tamper(&mut chain, how, one, other) && chain != whole);
        let found = if how == 10 && !keyed {
            // It claims a key that there is none of.
            vec![()]
        } else {
            findings(&sealer, &chain, noted, None).iter().map(drop).collect()
        };
        prop_assert!(!found.is_empty(), "{how} {one} {other}");
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    /// The store's note is cut back as well; only what was kept elsewhere tells.
    #[test]
    fn a_cut_end_is_found_by_a_head_that_was_kept(cut in 0_usize..40) {
        let sealer = Sealer::default();
        let mut chain = chain(&sealer, 40);
        let kept = head(&chain);
        chain.truncate(cut);
        let noted = head(&chain).or(Some(Head::START));
        prop_assert_eq!(findings(&sealer, &chain, noted, None), []);
        let found = findings(&sealer, &chain, noted, kept);
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].problem, &Problem::NotAsExpected(kept.unwrap()));
    }

    #[test]
    fn what_is_found_says_where(one in 1_usize..39) {
        let sealer = Sealer::default();
        let whole = chain(&sealer, 40);
        let seen = |chain: &[Link]| {
            let found = findings(&sealer, chain, head(&whole), None);
            found.into_iter().map(|finding| (finding.seq, finding.problem)).collect::<Vec<_>>()
        };
        let seq = one as u64 + 1;
        let mut chain = whole.clone();
        chain[one].fields.insert("address".to_owned(), "::1".into());
        prop_assert_eq!(seen(&chain), [(seq, Problem::Changed)]);
        let mut chain = whole.clone();
        chain.remove(one);
        prop_assert_eq!(seen(&chain), [(seq + 1, Problem::Missing(1))]);
        let mut chain = whole.clone();
        tamper(&mut chain, 2, one, one - 1);
        let swapped: Vec<u64> = seen(&chain).into_iter().map(|(seq, _)| seq).collect();
        prop_assert_eq!(swapped, [seq - 1, seq - 1, seq, seq]);
        let mut chain = whole.clone();
        tamper(&mut chain, 5, one, one);
        prop_assert_eq!(seen(&chain), [(seq, Problem::Repeated)]);
    }
}
