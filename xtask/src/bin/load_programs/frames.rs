//! The stack of functions that call each other, as the strictest kernel adds it up: Linux 6.1 counts 32 bytes for each
//! beginning 32, where 6.18 counts 16. So this machine's kernel may take what another refuses.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use anyhow::{Context as _, Result};
use aya_obj::Object;
use aya_obj::generated::bpf_insn;

/// Most bytes of stack of functions that call each other (`MAX_BPF_STACK`).
pub const MOST: u32 = 512;
/// What each function's stack is rounded up to.
const STEP: u32 = 32;

/// BPF's frame pointer.
const FRAME: u8 = 10;
/// `call`, and its source for a function of the program.
const CALL: u8 = 0x85;
const OWN_FUNCTION: u8 = 1;
/// `ld_imm64`, and its source for the address of a function: a callback.
const LOAD_64: u8 = 0x18;
const CALLBACK: u8 = 4;
/// `r += imm` and `r = r`, 64 bits wide.
const ADD: u8 = 0x07;
const MOVE: u8 = 0xbf;

/// One function of a program: its stack, and where those start that it calls.
#[derive(Default)]
struct Function {
    stack: u32,
    calls: BTreeSet<usize>,
}

/// The deepest chain of each program, in bytes.
pub fn deepest(object: &[u8]) -> Result<BTreeMap<String, u32>> {
    let mut object = Object::parse(object).context("reading the kernel programs")?;
    let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
    object.relocate_calls(&sections).context("linking the kernel programs")?;
    let chains = object.programs.iter().map(|(name, program)| {
        let function = object.functions.get(&program.function_key());
        let function = function.with_context(|| format!("{name} has no instructions"))?;
        Ok((name.clone(), chain(&function.instructions)))
    });
    chains.collect()
}

fn chain(program: &[bpf_insn]) -> u32 {
    let functions = functions(program);
    below(&functions, 0, &mut HashMap::new())
}

/// The chain from the function that starts here. Programs do not recurse: the kernel refuses it.
fn below(functions: &BTreeMap<usize, Function>, start: usize, known: &mut HashMap<usize, u32>) -> u32 {
    if let Some(&chain) = known.get(&start) {
        return chain;
    }
    let Some(function) = functions.get(&start) else { return 0 };
    let deepest = function.calls.iter().map(|&called| below(functions, called, known)).max().unwrap_or(0);
    let chain = function.stack.max(1).next_multiple_of(STEP) + deepest;
    known.insert(start, chain);
    chain
}

fn functions(program: &[bpf_insn]) -> BTreeMap<usize, Function> {
    let target = |at: usize, instruction: &bpf_insn| {
        let named = (instruction.code == CALL && instruction.src_reg() == OWN_FUNCTION)
            || (instruction.code == LOAD_64 && instruction.src_reg() == CALLBACK);
        named.then(|| (at as i64 + 1 + i64::from(instruction.imm)) as usize)
    };
    let mut functions: BTreeMap<usize, Function> = BTreeMap::from([(0, Function::default())]);
    for (at, instruction) in program.iter().enumerate() {
        if let Some(start) = target(at, instruction) {
            functions.entry(start).or_default();
        }
    }
    let mut copies = HashSet::new();
    for (at, instruction) in program.iter().enumerate() {
        let Some((_, function)) = functions.range_mut(..=at).next_back() else { continue };
        function.calls.extend(target(at, instruction));
        let to = instruction.dst_reg();
        // Loads and stores through the frame pointer, and addresses made of it.
        let is_load = instruction.code & 0x07 == 1 && instruction.src_reg() == FRAME;
        let is_store = matches!(instruction.code & 0x07, 2 | 3) && to == FRAME;
        let depth = if is_load || is_store {
            -i32::from(instruction.off)
        } else if instruction.code == ADD && copies.contains(&to) {
            -instruction.imm
        } else {
            0
        };
        function.stack = function.stack.max(u32::try_from(depth).unwrap_or(0));
        if instruction.code == MOVE && instruction.src_reg() == FRAME {
            copies.insert(to);
        } else if !is_store {
            copies.remove(&to);
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instruction(code: u8, to: u8, from: u8, off: i16, imm: i32) -> bpf_insn {
        bpf_insn { code, _bitfield_align_1: [], _bitfield_1: bpf_insn::new_bitfield_1(to, from), off, imm }
    }

    #[test]
    fn a_chain_is_rounded_function_by_function() {
        let program = [
            // Stores 40 bytes down, calls the second function, ends.
            instruction(0x7b, FRAME, 1, -40, 0),
            instruction(CALL, 0, OWN_FUNCTION, 0, 1),
            instruction(0x95, 0, 0, 0, 0),
            // An address 72 bytes down, and the third function.
            instruction(MOVE, 2, FRAME, 0, 0),
            instruction(ADD, 2, 0, 0, -72),
            instruction(CALL, 0, OWN_FUNCTION, 0, 1),
            instruction(0x95, 0, 0, 0, 0),
            // Nothing on its stack.
            instruction(0x95, 0, 0, 0, 0),
        ];
        assert_eq!(chain(&program), 64 + 96 + 32);
        assert_eq!(chain(&program[..1]), 64);
    }
}
