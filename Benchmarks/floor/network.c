#define _GNU_SOURCE
#include "floor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// Messages are built one after the other in one buffer and sent at once; each asks for an answer.
struct batch {
  char bytes[2048];
  int length, count;
  struct nlmsghdr *message;
};

static void *begin(struct batch *b, int type, int flags, int size) {
  b->message = (struct nlmsghdr *)(b->bytes + b->length);
  *b->message = (struct nlmsghdr){
    .nlmsg_len = NLMSG_LENGTH(size), .nlmsg_type = type, .nlmsg_seq = ++b->count,
    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | flags};
  b->length += NLMSG_SPACE(size);
  return memset(NLMSG_DATA(b->message), 0, size);
}

static struct rtattr *put(struct batch *b, int type, const void *value, int size) {
  struct rtattr *attribute = (struct rtattr *)(b->bytes + b->length);
  attribute->rta_type = type;
  attribute->rta_len = RTA_LENGTH(size);
  if (size) memcpy(RTA_DATA(attribute), value, size);
  b->length += RTA_SPACE(size);
  b->message->nlmsg_len = (b->bytes + b->length) - (char *)b->message;
  return attribute;
}

static void close_nest(struct batch *b, struct rtattr *nest) {
  nest->rta_len = (b->bytes + b->length) - (char *)nest;
}

static void transact(struct batch *b, const char *what) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) die("socket", "netlink");
  if (send(fd, b->bytes, b->length, 0) < 0) die("send", what);
  for (int answered = 0; answered < b->count;) {
    char answer[8192];
    ssize_t got = recv(fd, answer, sizeof answer, 0);
    if (got < 0) die("receive", what);
    for (struct nlmsghdr *h = (void *)answer; NLMSG_OK(h, got); h = NLMSG_NEXT(h, got)) {
      if (h->nlmsg_type != NLMSG_ERROR) continue;
      struct nlmsgerr *error = NLMSG_DATA(h);
      answered++;
      if (error->error) {
        errno = -error->error;
        die("netlink", what);
      }
    }
  }
  close(fd);
}

// One message: the host's end created up and in the bridge, its peer created in the namespace. (A
// peer cannot be created up: ENOTCONN.)
void network_attach(const struct container *c, const struct options *o, pid_t netns) {
  struct batch b = {.length = 0};
  unsigned bridge = if_nametoindex(o->bridge);
  if (!bridge) die("find bridge", o->bridge);
  char name[IFNAMSIZ];
  snprintf(name, sizeof name, "fl%.8s", c->id + 5);
  struct ifinfomsg *link = begin(&b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof *link);
  link->ifi_flags = link->ifi_change = IFF_UP;
  put(&b, IFLA_IFNAME, name, strlen(name) + 1);
  put(&b, IFLA_MASTER, &bridge, sizeof bridge);
  struct rtattr *info = put(&b, IFLA_LINKINFO, NULL, 0);
  put(&b, IFLA_INFO_KIND, "veth", 4);
  struct rtattr *data = put(&b, IFLA_INFO_DATA, NULL, 0);
  struct ifinfomsg inner = {0};
  struct rtattr *peer = put(&b, VETH_INFO_PEER, &inner, sizeof inner);
  uint32_t pid = netns;
  put(&b, IFLA_IFNAME, "eth0", 5);
  put(&b, IFLA_NET_NS_PID, &pid, sizeof pid);
  close_nest(&b, peer);
  close_nest(&b, data);
  close_nest(&b, info);
  transact(&b, "create veth");
}

static void set_up(struct batch *b, unsigned index) {
  struct ifinfomsg *link = begin(b, RTM_NEWLINK, 0, sizeof *link);
  link->ifi_index = index;
  link->ifi_flags = link->ifi_change = IFF_UP;
}

void network_configure(const struct container *c, const struct options *o) {
  struct batch b = {.length = 0};
  set_up(&b, 1);  // lo is the first link of every namespace
  if (o->bridge) {
    unsigned index = if_nametoindex("eth0");
    uint32_t address = htonl(c->address), gateway = htonl(o->subnet + 1);
    uint32_t broadcast = htonl(o->subnet | 0xffff);
    struct ifaddrmsg *own = begin(&b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, sizeof *own);
    own->ifa_family = AF_INET;
    own->ifa_prefixlen = 16;
    own->ifa_index = index;
    put(&b, IFA_LOCAL, &address, 4);
    put(&b, IFA_ADDRESS, &address, 4);
    put(&b, IFA_BROADCAST, &broadcast, 4);
    set_up(&b, index);
    struct rtmsg *route = begin(&b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, sizeof *route);
    route->rtm_family = AF_INET;
    route->rtm_table = RT_TABLE_MAIN;
    route->rtm_protocol = RTPROT_BOOT;
    route->rtm_type = RTN_UNICAST;
    put(&b, RTA_GATEWAY, &gateway, 4);
    put(&b, RTA_OIF, &index, 4);
  }
  transact(&b, "configure");
}
