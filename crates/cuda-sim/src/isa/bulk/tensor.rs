//! Copies and reductions of a box of a tensor, which a tensor map describes, and copies of four of its rows.

use super::arrival::{Arrival, Place};
use super::copy::{is_known, reduce};
use super::{Groups, expect, finish, read_own};
use crate::error::LoadError;
use crate::exec::{Cx, Lanes, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::memory::{Function, Location, Update, addresses, eat_space, little_endian};
use crate::isa::program::Source;
use crate::memory::{Access, Proxy};
use crate::ptx::{Space, Type};
use crate::tensor_map::TensorMap;
use crate::tensor_map::tile::{ALIGNMENT, ROWS, Run, Tile, TileError};

#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    way: Way,
    mode: Mode,
    map: Target,
    coordinates: Vec<Source>,
}

/// What part of a tensor is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// `.tile`: a box, by the coordinates where it begins.
    Tile,
    /// `.tile::gather4` and `.tile::scatter4`: rows of a matrix, by the column where they begin and their
    /// numbers.
    Rows,
}

#[derive(Clone, Debug)]
enum Way {
    Load(Arrival),
    /// To the tensor, or by a function together with what is there.
    Store(Target, Option<Function>),
    /// To a cache, which there is none of here.
    Prefetch,
}

/// Bytes of a tensor map, and what its address is a multiple of.
const MAP_BYTES: u32 = 128;
const MAP_ALIGNMENT: u32 = 64;

impl Tensor {
    pub(super) fn decode(text: &Text, reduces: bool) -> Result<Self, LoadError> {
        let rank = eat_rank(text)?;
        let ends = (eat_space(text), eat_space(text));
        match ends {
            (Some(to @ (Space::Shared | Space::SharedCluster)), Some(Space::Global))
                if !reduces =>
            {
                let mode = Mode::eat(text, "tile::gather4");
                expect(text, "mbarrier::complete_tx::bytes")?;
                let several = to == Space::SharedCluster && text.eat("multicast::cluster");
                let group = text.one_of(&[("cta_group::1", 1), ("cta_group::2", 2)]);
                finish(text, 3 + usize::from(several))?;
                let to = Arrival::decode(text, to, 0, 2, several.then_some(3))?;
                let to = if group == Some(2) { to.of_pairs() } else { to };
                Self::of(text, Way::Load(to), mode, 1, rank)
            }
            (Some(Space::Global), Some(Space::Shared)) => {
                let function = match reduces {
                    false => None,
                    true => Some(
                        text.one_of(&Function::NAMES)
                            .ok_or_else(|| text.refuse("expected a function"))?,
                    ),
                };
                let mode = Mode::eat(text, "tile::scatter4");
                if reduces && mode == Mode::Rows {
                    return Err(text.refuse("reductions of single rows are not simulated"));
                }
                expect(text, "bulk_group")?;
                finish(text, 2)?;
                Self::of(text, Way::Store(text.address(1, ends.1)?, function), mode, 0, rank)
            }
            _ => Err(text.refuse("not a way that is copied")),
        }
    }

    pub(super) fn decode_prefetch(text: &Text) -> Result<Self, LoadError> {
        let rank = eat_rank(text)?;
        expect(text, "L2")?;
        expect(text, "global")?;
        let mode = Mode::eat(text, "tile::gather4");
        finish(text, 1)?;
        Self::of(text, Way::Prefetch, mode, 0, rank)
    }

    fn of(text: &Text, way: Way, mode: Mode, map: usize, rank: usize) -> Result<Self, LoadError> {
        let (map, coordinates) = text.tensor(map)?;
        let expected = match mode {
            Mode::Tile => rank,
            Mode::Rows if rank != 2 => return Err(text.refuse("rows are of a tensor of .2d")),
            Mode::Rows => 1 + ROWS,
        };
        if coordinates.len() != expected {
            return Err(text.refuse(format!("expected {expected} coordinates")));
        }
        Ok(Self { way, mode, map, coordinates })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let maps = addresses(cx, &self.map, mask)?;
        let coordinates = self.coordinates.iter().map(|source| cx.warp.word(*source, mask));
        let coordinates: Vec<Lanes<u32>> = coordinates.collect::<Result<_, Stop>>()?;
        let coordinates = |lane: usize| -> Vec<i32> {
            coordinates.iter().map(|coordinate| coordinate[lane] as i32).collect()
        };
        // What is moved of global memory.
        let mut runs = Vec::new();
        match &self.way {
            Way::Load(to) => {
                let places = to.places(cx, mask)?;
                for lane in lanes(mask) {
                    let place = &places[lane];
                    let moved = tensor_map(cx, lane, maps[lane]).and_then(|map| {
                        let tile = self.mode.tile(&map, &coordinates(lane), place.address)?;
                        load(cx, lane, &tile, place)
                    });
                    runs.extend(moved.map_err(|kind| Stop { lane: lane as u32, kind })?);
                }
                cx.count_copies(&runs);
            }
            Way::Store(from, function) => {
                let from = addresses(cx, from, mask)?;
                for lane in lanes(mask) {
                    let moved = tensor_map(cx, lane, maps[lane]).and_then(|map| {
                        let tile = self.mode.tile(&map, &coordinates(lane), from[lane])?;
                        if tile.repeats() {
                            let what =
                                "a row of the tensor stands twice among those that are stored";
                            return Err(FaultKind::InvalidOperand { what: what.to_owned() });
                        }
                        let update = function.map(|function| update(&map, function)).transpose()?;
                        check_box(cx, &tile, from[lane])?;
                        store(cx, lane, &tile, update)
                    });
                    runs.extend(moved.map_err(|kind| Stop { lane: lane as u32, kind })?);
                }
                cx.count_runs(&runs, true);
            }
            Way::Prefetch => {
                for lane in lanes(mask) {
                    let checked = tensor_map(cx, lane, maps[lane])
                        .and_then(|map| self.mode.tile(&map, &coordinates(lane), 0).map(|_| ()));
                    checked.map_err(|kind| Stop { lane: lane as u32, kind })?;
                }
            }
        }
        Ok(())
    }
}

impl Mode {
    /// Takes `.tile`, or another mode of this name if it stands there. It is `.tile` without.
    fn eat(text: &Text, rows: &str) -> Self {
        text.one_of(&[("tile", Self::Tile), (rows, Self::Rows)]).unwrap_or(Self::Tile)
    }

    /// What some coordinates say, and where in shared memory it is or goes to.
    fn tile<'a>(
        self,
        map: &'a TensorMap,
        coordinates: &[i32],
        shared: u64,
    ) -> Result<Tile<'a>, FaultKind> {
        let tile = match (self, coordinates) {
            (Self::Rows, &[column, a, b, c, d]) => Tile::of_rows(map, column, [a, b, c, d], shared),
            _ => Tile::new(map, coordinates, shared),
        };
        tile.map_err(|error| match error {
            TileError::Misaligned { address } => {
                FaultKind::Misaligned { space: "shared", address, alignment: ALIGNMENT as u32 }
            }
            error => FaultKind::InvalidOperand { what: error.to_string() },
        })
    }
}

/// What is read of global memory.
fn load(cx: &mut Cx, lane: usize, tile: &Tile, to: &Place) -> Result<Vec<Access>, FaultKind> {
    let bytes = check_box(cx, tile, to.address)?;
    let mut read: Vec<(Run, Vec<u8>)> = Vec::new();
    for run in tile.runs() {
        let bytes = match within(&run) {
            Some(from) => cx.read_run(from)?,
            None => tile.fill().into_iter().cycle().take(run.bytes as usize).collect(),
        };
        read.push((run, bytes));
    }
    to.arrive(cx, lane, bytes, |shared, writer, by| {
        for (run, bytes) in &read {
            let to = Access { address: run.shared, bytes: run.bytes };
            shared.check_run(to)?;
            shared.write_async(to, bytes, (writer, Proxy::Async), by)?;
        }
        Ok(())
    })?;
    Ok(read.iter().filter_map(|(run, _)| within(run)).collect())
}

/// What is written of global memory.
fn store(
    cx: &mut Cx,
    lane: usize,
    tile: &Tile,
    update: Option<Update>,
) -> Result<Vec<Access>, FaultKind> {
    let reader = Groups::step(cx, lane);
    let mut written = Vec::new();
    for run in tile.runs() {
        let Some(to) = within(&run) else { continue };
        let from = Access { address: run.shared, bytes: run.bytes };
        let read = read_own(cx, lane, from, reader)?;
        match update {
            None => cx.write_run(to.address, &read)?,
            Some(update) => reduce(cx, lane, to.address, &read, update)?,
        }
        written.push(to);
    }
    Ok(written)
}

/// The bytes of a box, if there is as much shared memory in a block of the cluster.
fn check_box(cx: &Cx, tile: &Tile, address: u64) -> Result<u32, FaultKind> {
    let bytes = tile.bytes().try_into().unwrap_or(u32::MAX);
    cx.block.shared.check_run(Access { address, bytes })?;
    Ok(bytes)
}

/// The part of the tensor that a run of its box is, if it is any.
fn within(run: &Run) -> Option<Access> {
    run.global.map(|address| Access { address, bytes: run.bytes })
}

/// The tensor map at a generic address.
fn tensor_map(cx: &mut Cx, lane: usize, address: u64) -> Result<TensorMap, FaultKind> {
    let Location { space, address: at, .. } = cx.locate(None, address);
    let run = Access { address: at, bytes: MAP_BYTES };
    let bytes = match space {
        Space::Global => {
            run.check_alignment("global", MAP_ALIGNMENT)?;
            cx.read_run(run)?
        }
        Space::Param => {
            run.check_alignment("param", MAP_ALIGNMENT)?;
            let mut bytes = Vec::new();
            for access in run.parts() {
                let loaded = cx.load(lane, Some(space), access, false)?;
                bytes.extend(&loaded[..access.bytes as usize]);
            }
            bytes
        }
        _ => {
            let what = format!("a tensor map at {address:#x}, in memory where none can be");
            return Err(FaultKind::InvalidOperand { what });
        }
    };
    let mut words = [0; MAP_BYTES as usize / 8];
    for (word, bytes) in words.iter_mut().zip(bytes.chunks_exact(8)) {
        *word = little_endian(bytes);
    }
    TensorMap::decode(&words).ok_or_else(|| {
        let what = format!("there is no tensor map at {address:#x}");
        FaultKind::InvalidOperand { what }
    })
}

/// The reduction that a function is of a tensor's elements.
fn update(map: &TensorMap, function: Function) -> Result<Update, FaultKind> {
    const TYPES: [Type; 11] = [
        Type::U8,
        Type::U16,
        Type::U32,
        Type::S32,
        Type::U64,
        Type::S64,
        Type::F16,
        Type::F32,
        Type::F64,
        Type::BF16,
        Type::F32,
    ];
    let of_bits = matches!(function, Function::And | Function::Or | Function::Xor);
    let ty = TYPES.get(usize::from(map.data_type)).map(|ty| match ty {
        Type::U32 | Type::S32 if of_bits => Type::B32,
        Type::U64 | Type::S64 if of_bits => Type::B64,
        ty => *ty,
    });
    // Of bytes side by side there is one more.
    let known =
        |ty: &Type| *ty != Type::F64 && is_known(Update { function, ty: *ty }, Space::Global);
    match ty.filter(known) {
        Some(ty) => Ok(Update { function, ty }),
        None => {
            let what = format!("no such reduction of data type {} of tensor maps", map.data_type);
            Err(FaultKind::InvalidOperand { what })
        }
    }
}

/// The number of dimensions.
fn eat_rank(text: &Text) -> Result<usize, LoadError> {
    expect(text, "tensor")?;
    let rank = text.one_of(&[("1d", 1), ("2d", 2), ("3d", 3), ("4d", 4), ("5d", 5)]);
    rank.ok_or_else(|| text.refuse("expected .1d to .5d"))
}
