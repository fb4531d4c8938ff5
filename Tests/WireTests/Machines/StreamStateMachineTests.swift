import Testing
import Wire

@Suite struct StreamStateMachineTests {
  private func stream(_ role: WireRole) -> StreamStateMachine {
    StreamStateMachine(role: role, sendCredit: 10_000, receiveWindow: 10_000, messageLimit: 1_024)
  }

  /// What can happen to a stream.
  private enum Event: CaseIterable {
    case receiveResponse, receiveMessage, receiveEnd, receiveStatus, receiveReset
    case sendResponse, sendMessage, sendEnd, sendStatus, sendReset
  }

  /// The rules in their shortest form, written apart from the machine: what has happened decides what may.
  private struct Model {
    let role: WireRole
    var seen: Set<Event> = []

    func has(_ event: Event) -> Bool { seen.contains(event) }

    var isClosed: Bool {
      has(.receiveStatus) || has(.receiveReset) || has(.sendStatus) || has(.sendReset)
    }

    func allows(_ event: Event) -> Bool {
      switch (role, event) {
      case (_, .receiveReset): true
      case _ where isClosed: false
      case (.client, .receiveResponse): !has(.receiveResponse)
      case (.client, .receiveMessage): has(.receiveResponse)
      case (.client, .receiveStatus), (.server, .sendStatus), (_, .sendReset): true
      case (.server, .receiveMessage), (.server, .receiveEnd): !has(.receiveEnd)
      case (.client, .sendMessage), (.client, .sendEnd): !has(.sendEnd)
      case (.server, .sendResponse): !has(.sendResponse)
      case (.server, .sendMessage): has(.sendResponse)
      default: false
      }
    }
  }

  private func apply(_ event: Event, _ role: WireRole, to stream: inout StreamStateMachine) -> Bool {
    do throws(CloseReason) {
      switch event {
      case .receiveResponse: try stream.receiveResponse()
      case .receiveMessage: try stream.receiveMessageHead(cost: 1)
      case .receiveEnd: try stream.receiveEnd(role: role)
      case .receiveStatus: try stream.receiveStatus(role: role)
      case .receiveReset: stream.receiveReset()
      case .sendResponse: return stream.sendResponse()
      case .sendMessage: return stream.maySendMessages && stream.spend(1)
      case .sendEnd: return stream.sendEnd(role: role)
      case .sendStatus: return stream.sendStatus(role: role)
      case .sendReset: return stream.sendReset()
      }
      return true
    } catch {
      #expect(error == .sequence)
      return false
    }
  }

  @Test(arguments: [WireRole.client, .server])
  func everySequenceOfFiveIsJudgedAsTheRulesSay(role: WireRole) {
    var count = 0
    func explore(_ stream: StreamStateMachine, _ model: Model, _ depth: Int) {
      guard depth > 0 else { return }
      for event in Event.allCases {
        var next = stream
        let allowed = apply(event, role, to: &next)
        #expect(allowed == model.allows(event), "\(role) \(model.seen) then \(event)")
        count += 1
        guard allowed else { continue }
        var model = model
        model.seen.insert(event)
        #expect(next.isClosed == model.isClosed)
        explore(next, model, depth - 1)
      }
    }
    explore(stream(role), Model(role: role), 5)
    #expect(count > 1_000)
  }

  @Test func aPeerThatSendsNoMoreIsGrantedNoMore() throws {
    var server = stream(.server)
    try server.receiveMessageHead(cost: 9_000)
    try server.receiveEnd(role: .server)
    #expect(server.consume(9_000, window: 10_000) == nil)
    #expect(server.bufferedCost == 0)
  }

  @Test func consumptionIsGrantedAndWidens() throws {
    var server = stream(.server)
    try server.receiveMessageHead(cost: 9_000)
    #expect(server.consume(9_000, window: 20_000) == 19_000)
  }

  @Test func messagesBeyondTheWindowAreRefused() throws {
    var server = stream(.server)
    try server.receiveMessageHead(cost: 10_000)
    #expect(throws: CloseReason.credit) { try server.receiveMessageHead(cost: 1) }
  }
}
