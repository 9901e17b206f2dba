//! Where control goes in a function of a PTX.

use super::{Function, Statement};
use std::collections::BTreeMap;

/// Where control can go within a function, by the index of its statements.
pub(crate) struct Flow {
    /// The first statement of each basic block, ascending.
    starts: Vec<usize>,
    successors: Vec<Vec<usize>>,
}

impl Flow {
    pub(crate) fn of(function: &Function) -> Self {
        let statements = &function.statements;
        let mut starts = vec![0];
        for (index, statement) in statements.iter().enumerate() {
            if statement.label().is_some() {
                starts.push(index);
            }
            if leaves(statement).is_some() {
                starts.push(index + 1);
            }
        }
        starts.sort_unstable();
        starts.dedup();
        starts.retain(|start| *start < statements.len().max(1));

        let mut flow = Self { successors: vec![Vec::new(); starts.len()], starts };
        let labels: BTreeMap<&str, usize> = statements
            .iter()
            .enumerate()
            .filter_map(|(index, statement)| Some((statement.label()?, flow.block(index))))
            .collect();
        let tables = jump_tables(statements);
        for block in 0..flow.starts.len() {
            let end = flow.starts.get(block + 1).copied().unwrap_or(statements.len());
            let last = end.checked_sub(1).and_then(|index| statements.get(index));
            let leaving = last.and_then(|last| Some((last, leaves(last)?)));
            let falls_through = leaving.is_none_or(|(last, _)| last.guarded);
            if let Some((_, Leave::To(target))) = leaving {
                flow.successors[block].extend(labels.get(target));
            }
            if let Some((_, Leave::Table(table))) = leaving {
                let targets = tables.get(table).into_iter().flatten();
                flow.successors[block].extend(targets.filter_map(|label| labels.get(label)));
            }
            if falls_through && block + 1 < flow.starts.len() {
                flow.successors[block].push(block + 1);
            }
        }
        flow
    }

    /// The basic block of a statement.
    pub(crate) fn block(&self, statement: usize) -> usize {
        self.starts.partition_point(|start| *start <= statement).saturating_sub(1)
    }

    /// For each block, which blocks can come after it in one pass through the code: along every way
    /// that does not return to a loop's head.
    pub(crate) fn forward_reach(&self) -> Vec<Vec<bool>> {
        let count = self.starts.len();
        let mut reach = vec![vec![false; count]; count];
        // Depth first, without recursion: a block is finished after all that it leads to.
        let mut state = vec![Visit::New; count];
        for root in 0..count {
            let mut stack = vec![(root, 0)];
            if state[root] != Visit::New {
                continue;
            }
            state[root] = Visit::Open;
            while let Some((block, edge)) = stack.pop() {
                let Some(&next) = self.successors[block].get(edge) else {
                    state[block] = Visit::Done;
                    reach[block][block] = true;
                    continue;
                };
                match state[next] {
                    Visit::New => {
                        state[next] = Visit::Open;
                        stack.push((block, edge));
                        stack.push((next, 0));
                    }
                    // Back to a block that we came through: a loop.
                    Visit::Open => stack.push((block, edge + 1)),
                    Visit::Done => {
                        let (from, to) = two(&mut reach, block, next);
                        from.iter_mut().zip(to).for_each(|(from, to)| *from |= *to);
                        stack.push((block, edge + 1));
                    }
                }
            }
        }
        reach
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    New,
    Open,
    Done,
}

fn two<T>(items: &mut [T], first: usize, second: usize) -> (&mut T, &mut T) {
    let [first, second] = items.get_disjoint_mut([first, second]).expect("two blocks");
    (first, second)
}

/// How a statement ends its basic block.
#[derive(Clone, Copy)]
enum Leave<'a> {
    To(&'a str),
    Table(&'a str),
    Return,
}

fn leaves(statement: &Statement) -> Option<Leave<'_>> {
    let operand =
        statement.text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
    match statement.opcode() {
        "bra" | "bra.uni" => Some(Leave::To(operand)),
        "brx.idx" | "brx.idx.uni" => {
            Some(Leave::Table(operand.rsplit(',').next().unwrap_or_default().trim()))
        }
        "ret" | "ret.uni" | "exit" | "trap" => Some(Leave::Return),
        _ => None,
    }
}

/// The labels of each `.branchtargets` table, which follows its own label.
fn jump_tables(statements: &[Statement]) -> BTreeMap<&str, Vec<&str>> {
    let code: Vec<_> = statements.iter().filter(|s| !s.text.starts_with("//")).collect();
    code.windows(2)
        .filter_map(|pair| {
            let targets = pair[1].text.strip_prefix(".branchtargets")?;
            Some((pair[0].label()?, targets.split(',').map(str::trim).collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ptx::functions;

    const SWITCH: &str = include_str!("switch.ptx");

    #[test]
    fn control_flow_is_followed() {
        let functions = functions(SWITCH);
        let function = &functions[1];
        let flow = Flow::of(function);
        let block = |line| {
            let index = function.statements.iter().position(|s| s.line == line);
            flow.block(index.expect("a statement on this line"))
        };
        let reach = flow.forward_reach();
        // From the entry through the jump table to both arms, from neither arm to the other.
        for (from, to, expected) in
            [(18, 28, true), (18, 32, true), (28, 32, false), (32, 28, false), (28, 38, true)]
        {
            assert_eq!(reach[block(from)][block(to)], expected, "from line {from} to {to}");
        }
    }

    #[test]
    fn loops_are_passed_once() {
        let ptx = ".visible .entry k()\n{\n$L_a:\nbar.sync 0;\n@%p bra $L_c;\nbar.sync 1;\n\
                   bra.uni $L_a;\n$L_c:\nret;\n}\n";
        let functions = functions(ptx);
        let flow = Flow::of(&functions[0]);
        let reach = flow.forward_reach();
        assert!(reach[0][1] && !reach[1][0] && !reach[1][2] && reach[0][2]);
    }
}
