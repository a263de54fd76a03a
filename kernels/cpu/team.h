// The threads behind parallel.h.
#pragma once

namespace fringe::cpu {

/// Calls body(data, piece) for piece = 0..pieces-1: piece 0 on the calling thread, each other on a helper of its own, and
/// returns when all are done. body must not throw. Helpers are started by the first call that needs them and end with the
/// thread they serve; one that cannot be started leaves its piece to the caller. A piece may have pieces itself.
///
/// Who waits looks for work for half a millisecond and then sleeps: the next kernel of a step finds its helpers awake, and a
/// program that shares its cores with others does not take from them, or from itself, the time it spends waiting.
void run_pieces(int pieces, void (*body)(const void* data, int piece), const void* data);

/// A function and not a lambda, whose name c++filt, and with it ThreadSanitizer's list of suppressions, cannot read.
template <class Body>
void call_with_piece(const void* body, int piece) {
  (*static_cast<const Body*>(body))(piece);
}

/// The same with anything that can be called: body(piece).
template <class Body>
void run_pieces(int pieces, const Body& body) {
  run_pieces(pieces, call_with_piece<Body>, &body);
}

}  // namespace fringe::cpu
