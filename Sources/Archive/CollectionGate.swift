import Core
import Index
import Synchronization

/// Where pushes and collection meet: which applications are due, and how a begin gets past a collection.
///
/// A begin never waits for a mark: it makes the mark give up, which would have been in vain. It waits for the one
/// transaction that hides what was dead, if that is under way in its generation.
final class CollectionGate: Sendable {
  private struct State {
    var due: Set<Digest> = []
    /// The generation that is being marked, and whether that is in vain.
    var marked: Space?
    var isGivenUp = false
    /// The generation whose dead objects are being hidden.
    var hidden: Space?
  }

  private let state = Mutex(State())
  private let hiding = Turns()

  /// An open gate, with nothing due.
  init() {}

  // MARK: Pushes

  /// Notes that a push of an application has ended.
  func note(_ app: Digest) { state.withLock { _ = $0.due.insert(app) } }

  /// A push is about to open: a mark of its generation gives up.
  func pushBegins(in space: Space) {
    state.withLock { state in
      if state.marked == space { state.isGivenUp = true }
    }
  }

  /// Returns when nobody finds any more what was hidden in a generation before its newest push opened.
  func settle(_ space: Space) async {
    guard state.withLock({ $0.hidden == space }) else { return }
    await hiding.take()
    hiding.pass()
  }

  // MARK: Collection

  /// The applications that are due; they are due no more.
  func takeDue() -> Set<Digest> {
    state.withLock { state in
      defer { state.due = [] }
      return state.due
    }
  }

  /// Whether any application is due.
  var isDue: Bool { state.withLock { !$0.due.isEmpty } }

  /// A generation is being marked from now on; nil for none any more.
  func mark(_ space: Space?) {
    state.withLock { state in
      state.marked = space
      state.isGivenUp = false
    }
  }

  /// Whether the mark that is under way is in vain.
  var isGivenUp: Bool { state.withLock { $0.isGivenUp } }

  /// Makes the mark that is under way give up.
  func giveUp() { state.withLock { $0.isGivenUp = true } }

  /// Hides what is dead in a generation while begins in it wait.
  ///
  /// - Parameter body: hides it in the index, and lets what is remembered of it go.
  func hide<Value: Sendable>(
    in space: Space, isolation: isolated (any Actor)? = #isolation, _ body: () async throws(PosternError) -> Value
  ) async throws(PosternError) -> Value {
    await hiding.take()
    state.withLock { $0.hidden = space }
    defer {
      state.withLock { $0.hidden = nil }
      hiding.pass()
    }
    return try await body()
  }
}
