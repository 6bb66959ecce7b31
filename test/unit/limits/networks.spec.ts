import { describe, expect, it } from 'vitest';

import {
  customerNetworkOf,
  networkOf,
  parseAddress,
  type Address,
} from '../../../lib/limits/networks.js';

function address(text: string): Address {
  const parsed = parseAddress(text);
  expect(parsed, text).not.toBeNull();
  return parsed!;
}

describe('An address', () => {
  it.each([
    ['192.0.2.7', 'ipv4', 0xc0000207n],
    ['0.0.0.0', 'ipv4', 0n],
    ['255.255.255.255', 'ipv4', 0xffffffffn],
    ['::ffff:192.0.2.7', 'ipv4', 0xc0000207n],
    ['::FFFF:192.0.2.7', 'ipv4', 0xc0000207n],
    ['::ffff:c000:207', 'ipv4', 0xc0000207n],
    ['0:0:0:0:0:ffff:c000:0207', 'ipv4', 0xc0000207n],
    ['0000:0000:0000:0000:0000:FFFF:192.0.2.7', 'ipv4', 0xc0000207n],
    ['::ffff:0:0', 'ipv4', 0n],
    ['::', 'ipv6', 0n],
    ['::1', 'ipv6', 1n],
    ['::192.0.2.7', 'ipv6', 0xc0000207n],
    ['64:ff9b::192.0.2.7', 'ipv6', 0x0064ff9b0000000000000000c0000207n],
    ['::fffe:192.0.2.7', 'ipv6', 0xfffec0000207n],
    ['::1:ffff:192.0.2.7', 'ipv6', 0x1ffffc0000207n],
    ['2001:db8::1', 'ipv6', 0x20010db8000000000000000000000001n],
    ['2001:DB8:0:0:0:0:0:1', 'ipv6', 0x20010db8000000000000000000000001n],
    ['2001:0db8:0000::0001', 'ipv6', 0x20010db8000000000000000000000001n],
    ['1:2:3:4:5:6:7:8', 'ipv6', 0x00010002000300040005000600070008n],
    ['1:2:3:4:5:6:7::', 'ipv6', 0x00010002000300040005000600070000n],
    ['::2:3:4:5:6:7:8', 'ipv6', 0x00000002000300040005000600070008n],
    ['ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', 'ipv6', (1n << 128n) - 1n],
    ['fe80::1%eth0', 'ipv6', 0xfe800000000000000000000000000001n],
    ['fe80::1%', 'ipv6', 0xfe800000000000000000000000000001n],
    ['::ffff:192.0.2.7%3', 'ipv4', 0xc0000207n],
  ] as const)('of %s is the same number in every spelling', (text, family, value) => {
    expect(parseAddress(text)).toEqual({ family, value });
  });

  it.each([
    '',
    '%',
    '%eth0',
    'session-4711',
    'user:1::2',
    'ann@example.com',
    '192.0.2',
    '192.0.2.256',
    '192.0.2.7.1',
    '192.0.2.07',
    '0x7f.0.0.1',
    '3221225991',
    '192.0.2.7/24',
    '192.0.2.7:443',
    ' 192.0.2.7',
    '１９２.0.2.7',
    '[2001:db8::1]',
    '2001:db8::1/64',
    '2001:db8::1::2',
    '1:2:3:4:5:6:7:8:9',
    '::ffff:192.0.2.256',
    ':',
    'g::1',
  ])('is none for %j', (text) => {
    expect(parseAddress(text)).toBeNull();
  });

  it('keeps an address apart from the mapped and the compatible spelling of another family', () => {
    const names = ['192.0.2.7', '::192.0.2.7', '::fffe:192.0.2.7'].map((text) =>
      networkOf(address(text), 32),
    );

    expect(new Set(names).size).toBe(2);
    expect(names[1]).toBe(names[2]);
    expect(names[0]).toBe('ipv4/32/c0000207');
  });
});

describe('A network', () => {
  it.each([
    ['192.0.2.0', 24, 'ipv4/24/c0000200'],
    ['192.0.2.255', 24, 'ipv4/24/c0000200'],
    ['192.0.3.0', 24, 'ipv4/24/c0000300'],
    ['192.0.1.255', 24, 'ipv4/24/c0000100'],
    ['::ffff:192.0.2.9', 24, 'ipv4/24/c0000200'],
    ['192.0.2.7', 32, 'ipv4/32/c0000207'],
    ['192.0.2.7', 8, 'ipv4/8/c0000000'],
    ['192.0.2.7', 25, 'ipv4/25/c0000200'],
    ['192.0.2.128', 25, 'ipv4/25/c0000280'],
    ['2001:db8:1:0::', 48, 'ipv6/48/20010db8000100000000000000000000'],
    ['2001:db8:1:ffff:ffff:ffff:ffff:ffff', 48, 'ipv6/48/20010db8000100000000000000000000'],
    ['2001:db8:2::', 48, 'ipv6/48/20010db8000200000000000000000000'],
    ['2001:db8:1:a0ff::1', 56, 'ipv6/56/20010db80001a0000000000000000000'],
    ['2001:db8:1:a100::1', 56, 'ipv6/56/20010db80001a1000000000000000000'],
    ['2001:db8::1', 128, 'ipv6/128/20010db8000000000000000000000001'],
    ['2001:db8::1', 16, 'ipv6/16/20010000000000000000000000000000'],
    ['::1', 64, 'ipv6/64/0'],
  ])('of %s with a prefix of %d bits is %s', (text, prefix, name) => {
    expect(networkOf(address(text), prefix)).toBe(name.replace(/\/0+(?=[1-9a-f])/, '/'));
  });

  it('is named by its family and prefix, so that no two of different length are the same', () => {
    const names = [
      networkOf(address('0.0.0.0'), 24),
      networkOf(address('0.0.0.0'), 32),
      networkOf(address('::'), 24),
      networkOf(address('::'), 48),
    ];

    expect(new Set(names).size).toBe(names.length);
  });
});

describe('The network of one customer', () => {
  it.each([
    ['ipv4/32/c0000207', '192.0.2.7'],
    ['ipv4/32/c0000207', '::ffff:192.0.2.7'],
    ['ipv4/32/c0000207', '::ffff:c000:207'],
    ['ipv6/64/20010db8000100020000000000000000', '2001:db8:1:2::1'],
    ['ipv6/64/20010db8000100020000000000000000', '2001:0DB8:0001:0002:ffff:ffff:ffff:ffff'],
    ['ipv6/64/20010db8000100030000000000000000', '2001:db8:1:3::1'],
    ['ipv6/64/20010db8000000000000000000000000', '2001:db8::1'],
    ['ipv6/64/fe800000000000000000000000000000', 'fe80::1%eth0'],
    ['ipv6/64/0', '::1'],
  ])('is %s for %s', (name, text) => {
    expect(customerNetworkOf(address(text))).toBe(name);
  });
});
