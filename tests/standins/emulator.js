// Starts kinesalite or dynalite on a free port of loopback: `node emulator.js NAME [OPTIONS]`.
// Their own command lines bind all interfaces. OPTIONS is a JSON object, such as
// {"createStreamMs": 0, "shardLimit": 20}. The first line says where it listens; it ends when
// its standard input is closed, so that it never outlives the test that started it.
'use strict'

const [name, options] = process.argv.slice(2)
const server = require(name)(JSON.parse(options || '{}'))
server.listen(0, '127.0.0.1', () => {
  const { address, port } = server.address()
  console.log(`listening on ${address}:${port}`)
})
process.stdin.on('end', () => process.exit(0))
process.stdin.resume()
