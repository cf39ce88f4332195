"""PyPI arduino-iot-client 3.0.0, used as its example shows; prints what it got as one line of JSON.

argv: configuration as JSON {server, ca, client, secret, organization, csr}. PYTHONPATH leads to the package.
"""

import json
import sys

import iot_api_client as iot
from iot_api_client.exceptions import ApiException
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session

config = json.loads(sys.argv[1])


def plain(model):
    return [plain(m) for m in model] if isinstance(model, list) else model.to_dict()


def refused(call, *args):
    try:
        call(*args)
    except ApiException as error:
        return {"status": error.status, "detail": json.loads(error.body)["detail"]}
    raise AssertionError("was not refused")


def main():
    session = OAuth2Session(client=BackendApplicationClient(client_id=config["client"]))
    token = session.fetch_token(token_url=config["server"] + "/iot/v1/clients/token", client_id=config["client"],
        client_secret=config["secret"], include_client_id=True, audience="https://api2.arduino.cc/iot",
        headers={"X-Organization": config["organization"]}, verify=config["ca"])
    settings = iot.Configuration(host=config["server"], ssl_ca_cert=config["ca"])
    settings.access_token = token["access_token"]
    client = iot.ApiClient(settings, header_name="X-Organization", header_value=config["organization"])
    devices, certs, tags = iot.DevicesV2Api(client), iot.DevicesV2CertsApi(client), iot.DevicesV2TagsApi(client)
    things = iot.ThingsV2Api(client)
    got = {}
    created = devices.devices_v2_create(iot.CreateDevicesV2Payload(name="from-pypi", type="nano_33_iot",
        fqbn="arduino:samd:nano_33_iot", serial="0123456789ABCDEF"))
    got["created"] = plain(created)
    certificate = certs.devices_v2_certs_create(created.id,
        iot.CreateDevicesV2CertsPayload(ca="Arduino", csr=config["csr"], enabled=True))
    got["certificate"] = plain(certificate)
    got["certificates"] = plain(certs.devices_v2_certs_list(created.id))
    got["one"] = plain(certs.devices_v2_certs_show(certificate.id, created.id))
    tags.devices_v2_tags_upsert(created.id, iot.Tag(key="room", value="kitchen"))
    got["tags"] = plain(tags.devices_v2_tags_list(created.id))
    got["listed"] = plain(devices.devices_v2_list(tags=["room:kitchen"]))
    got["not_listed"] = plain(devices.devices_v2_list(tags=["room:attic"]))
    tags.devices_v2_tags_delete(created.id, "room")
    got["updated"] = plain(devices.devices_v2_update(created.id, iot.Devicev2(name="still-from-pypi")))
    got["shown"] = plain(devices.devices_v2_show(created.id))
    got["refused"] = refused(devices.devices_v2_update, created.id, iot.Devicev2(serial="0\x1b"))
    thing = things.things_v2_create(iot.ThingCreate(name="hall", timezone="Europe/Rome"))
    got["thing"] = plain(thing)
    got["attached"] = plain(things.things_v2_update(thing.id, iot.ThingUpdate(device_id=created.id, timezone="Europe/Rome")))
    got["things"] = plain(things.things_v2_list(device_id=created.id, show_properties=True))
    got["with_thing"] = plain(devices.devices_v2_show(created.id))
    got["properties"] = plain(devices.devices_v2_get_properties(created.id))
    got["detached"] = plain(things.things_v2_update(thing.id, iot.ThingUpdate(device_id="", timezone="Europe/Rome")))
    things.things_v2_delete(thing.id)
    got["no_thing"] = refused(things.things_v2_show, thing.id)
    certs.devices_v2_certs_delete(certificate.id, created.id)
    got["certificates_left"] = plain(certs.devices_v2_certs_list(created.id))
    devices.devices_v2_delete(created.id)
    got["gone"] = refused(devices.devices_v2_show, created.id)
    print(json.dumps(got, default=str))


main()
