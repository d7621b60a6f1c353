//! `kmeans`: items in groups whose vectors are near each other. Lloyd's rounds from k-means++ centres drawn by a seed; sums run in
//! the order of the items, so the groups are the same on every machine.

use super::chance::Dice;
use super::{Args, Row, RunFilter, expected, row};
use crate::template::eval::{Fault, Fuel};
use crate::template::val::{Val, kind};
use crate::value::Value;
use serde_json::json;

pub(super) const FILTERS: &[Row<RunFilter>] = &[row(
    "kmeans",
    "kmeans(vectors, k, seed)",
    "[{items, size, nearest}]: at most k groups by the vectors of the items, largest first; nearest is the item nearest the middle",
    kmeans,
)];

/// Groups of some hundred items rest after ten rounds or so; what still moves then moves little.
const MOST_ROUNDS: usize = 50;

fn kmeans<'e>(value: Val<'e>, args: &Args<'e>, fuel: &Fuel) -> Result<Val<'e>, Fault> {
    let items = value.into_items()?;
    let vectors = vectors(args.get("vectors").unwrap_or(&Value::Null), items.len())?;
    let k = args.count("k")?.filter(|k| *k > 0).ok_or_else(|| Fault::new("`k` is a whole number from 1"))?;
    let seed = args.get("seed").ok_or_else(|| expected("a value", "seed", &Value::Null))?;
    if items.is_empty() {
        return Ok(Val::Many(Vec::new()));
    }
    // Distances go many numbers at a time.
    let round = (items.len() * k.min(items.len()) * vectors[0].len()) as u64 / 64;
    fuel.spend(round)?;
    let mut centres = centres(&vectors, k, &mut Dice::new(seed));
    let mut groups = nearest_centres(&vectors, &centres);
    for _ in 0..MOST_ROUNDS {
        fuel.spend(round)?;
        move_centres(&mut centres, &vectors, &groups);
        let next = nearest_centres(&vectors, &centres);
        if next == groups {
            break;
        }
        groups = next;
    }
    let mut made: Vec<(Vec<usize>, &Vec<f64>)> = centres
        .iter()
        .enumerate()
        .map(|(c, centre)| ((0..items.len()).filter(|i| groups[*i] == c).collect::<Vec<_>>(), centre))
        .filter(|(members, _)| !members.is_empty())
        .collect();
    made.sort_by_key(|(members, _)| (std::cmp::Reverse(members.len()), members[0]));
    let record = |(members, centre): (Vec<usize>, &Vec<f64>)| {
        let nearest = first_least(members.iter().map(|i| distance(&vectors[*i], centre)));
        let of: Vec<Value> = members.iter().map(|i| items[*i].clone().into_owned()).collect();
        std::borrow::Cow::Owned(json!({ "size": of.len(), "nearest": of[nearest].clone(), "items": of }))
    };
    Ok(Val::Many(made.into_iter().map(record).collect()))
}

fn vectors(given: &Value, count: usize) -> Result<Vec<Vec<f64>>, Fault> {
    let rows = given.as_array().ok_or_else(|| expected("a list of vectors", "vectors", given))?;
    if rows.len() != count {
        return Err(Fault::new(format!("there are {count} items but {} vectors", rows.len())));
    }
    let vector = |row: &Value| -> Option<Vec<f64>> { row.as_array()?.iter().map(Value::as_f64).collect() };
    let read = |row: &Value| {
        vector(row).ok_or_else(|| Fault::new(format!("a vector is a list of numbers, not {}", kind(row))))
    };
    let vectors = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    match vectors.iter().find(|vector| vector.len() != vectors[0].len()) {
        Some(odd) => {
            Err(Fault::new(format!("a vector of {} numbers among vectors of {}", odd.len(), vectors[0].len())))
        }
        None => Ok(vectors),
    }
}

/// k-means++: the first centre is any item, each other one the likelier the farther it is from those chosen. Fewer than `k` when
/// all that is left stands on a centre.
fn centres(vectors: &[Vec<f64>], k: usize, dice: &mut Dice) -> Vec<Vec<f64>> {
    let mut centres = vec![vectors[dice.below(vectors.len())].clone()];
    let mut far: Vec<f64> = vectors.iter().map(|vector| distance(vector, &centres[0])).collect();
    while centres.len() < k {
        let total: f64 = far.iter().sum();
        if total <= 0.0 {
            break;
        }
        let mut left = dice.fraction() * total;
        // What rounding leaves over falls to the last item that is not a centre.
        let mut drawn = far.iter().rposition(|d| *d > 0.0).expect("internal error: a sum of nothing");
        for (i, d) in far.iter().enumerate() {
            left -= d;
            if left < 0.0 && *d > 0.0 {
                drawn = i;
                break;
            }
        }
        let centre = vectors[drawn].clone();
        for (d, vector) in far.iter_mut().zip(vectors) {
            *d = d.min(distance(vector, &centre));
        }
        centres.push(centre);
    }
    centres
}

fn nearest_centres(vectors: &[Vec<f64>], centres: &[Vec<f64>]) -> Vec<usize> {
    vectors.iter().map(|vector| first_least(centres.iter().map(|centre| distance(vector, centre)))).collect()
}

/// To the middle of their groups; a centre without a group stays.
fn move_centres(centres: &mut [Vec<f64>], vectors: &[Vec<f64>], groups: &[usize]) {
    for (c, centre) in centres.iter_mut().enumerate() {
        let members: Vec<&Vec<f64>> = vectors.iter().zip(groups).filter(|(_, g)| **g == c).map(|(v, _)| v).collect();
        if members.is_empty() {
            continue;
        }
        #[expect(clippy::cast_precision_loss, reason = "no list has 2^53 items")]
        let count = members.len() as f64;
        for (d, at) in centre.iter_mut().enumerate() {
            *at = members.iter().map(|member| member[d]).sum::<f64>() / count;
        }
    }
}

/// The square of the distance.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Where the least number stands first.
fn first_least(numbers: impl Iterator<Item = f64>) -> usize {
    let least = numbers.enumerate().min_by(|(_, a), (_, b)| a.total_cmp(b));
    least.expect("internal error: the least of nothing").0
}
