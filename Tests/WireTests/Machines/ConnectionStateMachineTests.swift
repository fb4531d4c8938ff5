import GRPCCore
import NIOCore
import Testing
import Wire

@Suite struct ConnectionStateMachineTests {
  private func open(_ role: WireRole, streams: UInt32 = 4) throws -> ConnectionStateMachine {
    var machine = ConnectionStateMachine(role: role, settings: smallSettings(streams: streams))
    try machine.receive(smallSettings(streams: streams))
    return machine
  }

  private func request(_ id: StreamID) -> Frame { .request(id, method: "a/b", [:]) }

  @discardableResult
  private func message(
    _ machine: inout ConnectionStateMachine, _ id: StreamID, _ byteCount: Int
  ) throws -> ReceiveAction {
    try machine.receiveMessageHead(id, byteCount: byteCount)
    return try machine.receive(.message(id, ByteBuffer(repeating: 0, count: byteCount)))
  }

  @Test func thePrefaceComesOnceAndFirst() throws {
    for frame in sampleFrames {
      var machine = ConnectionStateMachine(role: .server, settings: smallSettings())
      if case .goAway = frame { continue }
      #expect(throws: CloseReason.sequence) { try machine.receive(frame) }
      #expect(machine.status == .closed)
    }
    var machine = try open(.server)
    #expect(throws: CloseReason.sequence) { try machine.receive(smallSettings()) }
    #expect(machine.status == .closed)
  }

  @Test func streamNumbersRiseAndOnlyClientsOpenStreams() throws {
    var server = try open(.server)
    let first = try server.receive(request(3))
    #expect(first == .open(3, method: "a/b", [:]))
    for id in [StreamID(3), 2, 1] {
      var copy = try open(.server)
      _ = try copy.receive(request(3))
      #expect(throws: CloseReason.sequence) { try copy.receive(request(id)) }
    }
    var client = try open(.client)
    #expect(throws: CloseReason.sequence) { try client.receive(request(1)) }
    var other = try open(.server)
    let nothing = other.open()
    #expect(nothing == nil)
  }

  @Test func framesForStreamsThatWereNeverOpenedCloseTheConnection() throws {
    let frames: [Frame] = [.end(1), .response(1, [:]), .reset(1, .cancelled), .credit(1, 5)]
    for frame in frames {
      var server = try open(.server)
      #expect(throws: CloseReason.sequence) { try server.receive(frame) }
    }
    var server = try open(.server)
    #expect(throws: CloseReason.sequence) { try server.receiveMessageHead(1, byteCount: 0) }
  }

  @Test func lateFramesForAClosedStreamAreDroppedAndTheirCreditReturns() throws {
    var server = try open(.server)
    _ = try server.receive(request(1))
    #expect(server.send(1, .status) == true)
    for frame in [Frame.end(1), .reset(1, .cancelled), .credit(1, 5)] {
      let action = try server.receive(frame)
      #expect(action == .none)
    }
    for isReleased in [false, true] {
      if isReleased { _ = server.release(1) }
      // Far more than the window, so that every byte must have come back.
      for _ in 0..<20 { try message(&server, 1, 1_024) }
    }
    #expect(server.status == .open(streamCount: 0, window: 2_176))
  }

  @Test func aMessageThatIsArrivingWhenItsStreamGoesIsCountedOnce() throws {
    for closesBefore in [false, true] {
      var server = try open(.server)
      for id in StreamID(1)...200 {
        _ = try server.receive(request(id))
        try server.receiveMessageHead(id, byteCount: 1_024)
        if closesBefore { _ = server.send(id, .status) }
        var granted = 0
        if !closesBefore { granted += Int(server.release(id).connection ?? 0) }
        if case .sendCredit(let bytes) = try server.receive(.message(id, ByteBuffer(repeating: 0, count: 1_024))) {
          granted += Int(bytes)
        }
        if closesBefore { granted += Int(server.release(id).connection ?? 0) }
        #expect(granted == 1_088)
      }
      // Exactly the window is left: not a byte more was granted than consumed.
      _ = try server.receive(request(300))
      _ = try server.receive(request(301))
      try server.receiveMessageHead(300, byteCount: 1_024)
      try server.receiveMessageHead(301, byteCount: 1_024)
      #expect(throws: CloseReason.credit) { try server.receiveMessageHead(302, byteCount: 0) }
    }
  }

  @Test func tooManyStreamsAreRefusedOneByOne() throws {
    var server = try open(.server, streams: 2)
    for id in StreamID(1)...2 { _ = try server.receive(request(id)) }
    let third = try server.receive(request(3))
    #expect(third == .sendReset(3, .refused))
    _ = try server.receive(.reset(1, .cancelled))
    let fourth = try server.receive(request(4))
    #expect(fourth == .open(4, method: "a/b", [:]))
  }

  @Test func resettingAtOnceGivesNoMoreHandlersThanTwiceTheLimit() throws {
    var server = try open(.server, streams: 2)
    var opened = 0
    for id in StreamID(1)...20 {
      if case .open = try server.receive(request(id)) { opened += 1 }
      _ = try server.receive(.reset(id, .cancelled))
    }
    #expect(opened == 4)
    _ = server.release(1)
    let next = try server.receive(request(21))
    #expect(next == .open(21, method: "a/b", [:]))
  }

  @Test func clientsStayWithinTheServersLimit() throws {
    var client = try open(.client, streams: 2)
    #expect(client.mayOpen(reserved: 1) == true)
    #expect(client.mayOpen(reserved: 2) == false)
    #expect(client.open() == 1)
    #expect(client.open() == 2)
    #expect(client.open() == nil)
    _ = try client.receive(.status(1, Status(code: .ok, message: ""), [:]))
    #expect(client.open() == 3)
  }

  @Test func messagesWaitForTheStreamsCreditAndThenTheConnections() throws {
    var client = try open(.client)
    for _ in 1...3 { _ = client.open() }
    #expect(client.spendForMessage(1, byteCount: 1_024) == .send)
    #expect(client.spendForMessage(1, byteCount: 0) == .waitForStream)
    #expect(client.spendForMessage(2, byteCount: 1_024) == .send)
    #expect(client.spendForMessage(3, byteCount: 0) == .waitForConnection)
    let connection = try client.receive(.credit(0, 64))
    #expect(connection == .resumeAll)
    #expect(client.spendForMessage(3, byteCount: 0) == .send)
    let stream = try client.receive(.credit(1, 64))
    #expect(stream == .resume(1))
    #expect(client.spendForMessage(1, byteCount: 0) == .waitForConnection)
    #expect(client.spendForMessage(3, byteCount: 1_025) == .tooLong)
    #expect(client.spendForMessage(9, byteCount: 0) == .closed)
  }

  @Test func consumptionIsGranted() throws {
    var server = try open(.server)
    _ = try server.receive(request(1))
    let action = try message(&server, 1, 1_024)
    #expect(action == .deliver(1, .message(WireBytes(repeating: 0, count: 1_024))))
    // The stream's window is as small as the longest message, so its grant cannot wait.
    let grants = server.consume(1, cost: 1_088, streamWindow: 1_088)
    #expect(grants == Grants(stream: 1_088, connection: 1_088))
    #expect(server.widen(by: 1_000) == 1_000)
  }

  @Test func whatAReleasedStreamHeldReturnsToTheConnection() throws {
    var server = try open(.server)
    _ = try server.receive(request(1))
    try message(&server, 1, 1_024)
    #expect(server.release(1) == Grants(connection: 1_088))
    #expect(server.release(1) == Grants())
  }

  @Test func aFloodOfQuestionsCloses() throws {
    var server = try open(.server)
    for value in 0..<UInt64(StreamTable.floodLimit) {
      let action = try server.receive(.ping(value))
      #expect(action == .sendPong(value))
    }
    server.noteRoom()
    let action = try server.receive(.ping(7))
    #expect(action == .sendPong(7))
    var flooded = try open(.server)
    #expect(throws: CloseReason.flood) {
      for value in 0..<UInt64(5_000) { _ = try flooded.receive(.ping(value)) }
    }
  }

  @Test func aFloodOfRequestsThatFindNoHandlerCloses() throws {
    var machine = ConnectionStateMachine(role: .server, settings: smallSettings())
    try machine.receive(smallSettings())
    for id in 1...StreamID(StreamTable.floodLimit) {
      _ = try machine.receive(.request(id, method: "a/b", [:]))
      let isRefused = try machine.refuse(id)
      #expect(isRefused)
      _ = machine.release(id)
    }
    let last = StreamID(StreamTable.floodLimit + 1)
    _ = try machine.receive(.request(last, method: "a/b", [:]))
    #expect(throws: CloseReason.flood) { try machine.refuse(last) }
    #expect(machine.status == .closed)
  }

  @Test func drainingRefusesNewStreamsAndKeepsTheOld() throws {
    var server = try open(.server)
    _ = try server.receive(request(1))
    #expect(server.drain() == 1)
    let refused = try server.receive(request(2))
    #expect(refused == .sendReset(2, .refused))
    try message(&server, 1, 10)
    #expect(server.send(1, .response) == true)
    #expect(server.send(1, .status) == true)
    _ = server.release(1)
    #expect(server.status == .draining(streamCount: 0))

    var client = try open(.client)
    _ = client.open()
    let action = try client.receive(.goAway(lastStream: 0, .graceful, text: ""))
    #expect(action == .drain(lastStream: 0))
    #expect(client.open() == nil)
    #expect(client.spendForMessage(1, byteCount: 1) == .send)
  }

  @Test func aClientThatDrainsOpensWhatItHasPromised() throws {
    var client = try open(.client)
    #expect(client.open() == 1)
    #expect(client.drain(reserved: 2) == 1)
    #expect(client.mayOpen(reserved: 0) == false)
    #expect(client.open() == 2)
    #expect(client.drain(reserved: 9) == 2)
    #expect(client.open() == 3)
    #expect(client.open() == nil)

    // Nothing is promised any more once the server takes no streams.
    client = try open(.client)
    client.drain(reserved: 1)
    _ = try client.receive(.goAway(lastStream: 0, .graceful, text: ""))
    #expect(client.open() == nil)
    client.drain(reserved: 1)
    #expect(client.open() == nil)
  }

  @Test func aGoAwayWithAReasonEndsEverything() throws {
    var client = try open(.client)
    _ = client.open()
    let action = try client.receive(.goAway(lastStream: 1, .credit, text: "why"))
    #expect(action == .close(.credit, text: "why"))
    #expect(client.status == .closed)
    #expect(client.spendForMessage(1, byteCount: 1) == .closed)
    #expect(client.send(1, .reset) == false)
    let late = try client.receive(.ping(1))
    #expect(late == .none)
  }

  @Test func randomFramesNeverCrashAndNeverExceedTheWindow() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed \(seed)")
    var generator = SeededGenerator(seed: seed)
    for round in 0..<2_000 {
      let role: WireRole = round.isMultiple(of: 2) ? .server : .client
      var machine = try open(role)
      var buffered = 0
      do {
        for _ in 0..<60 { buffered += try step(&machine, role, &generator) }
      } catch {
        #expect(machine.status == .closed)
      }
      #expect(buffered <= 2 * 1_088)
    }
  }

  /// A random step; how much more is buffered after it.
  ///
  /// Nothing is consumed, so the window bounds the sum.
  private func step(
    _ machine: inout ConnectionStateMachine, _ role: WireRole, _ generator: inout SeededGenerator
  ) throws -> Int {
    let id = StreamID.random(in: 1...6, using: &generator)
    switch Int.random(in: 0..<12, using: &generator) {
    case 0: _ = machine.open()
    case 1: _ = machine.send(id, .response)
    case 2: _ = machine.send(id, .status)
    case 3: _ = machine.spendForMessage(id, byteCount: Int.random(in: 0...1_200, using: &generator))
    case 4: _ = try machine.receive(role == .server ? request(machine.lastStream + 1) : .response(id, [:]))
    case 5: _ = try machine.receive(.end(id))
    case 6: _ = try machine.receive(.credit(id == 6 ? 0 : id, 100))
    case 7: _ = try machine.receive(.ping(1))
    default:
      let byteCount = Int.random(in: 0...700, using: &generator)
      if case .deliver = try message(&machine, id, byteCount) { return WireFormat.messageCost(byteCount) }
    }
    return 0
  }
}
